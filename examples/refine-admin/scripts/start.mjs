// Builds and starts the bridge (with NATS inside), the backend and the app. Ctrl-C stops all of them.
import { parseArgs } from "node:util";
import { build, check } from "./build.mjs";
import { PAUSE, createSupervisor } from "./supervisor.mjs";
import { ports, root, run } from "./settings.mjs";

const help = `npm start                 bridge, backend and app, built and served by the backend
npm run dev               the same with Vite's development server, for changing the app
npm start -- --fresh      forget the shop and the events first
npm start -- --no-build   with what was built last time

Ports, all on 127.0.0.1, by environment: APP_PORT (3000), BRIDGE_PORT (8080), NATS_PORT (4222), API_PORT (3001, only for npm run dev)
RESTART_AFTER (4000): ms after which a bridge that died is started again`;

let options, at;
try {
  ({ values: options } = parseArgs({
    options: { dev: { type: "boolean" }, fresh: { type: "boolean" }, "no-build": { type: "boolean" }, help: { type: "boolean", short: "h" } },
  }));
  at = ports(options.dev);
} catch (e) {
  console.error(`${e.message}\n\n${help}`);
  process.exit(2);
}
if (options.help) {
  console.log(help);
  process.exit();
}

const supervisor = createSupervisor();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => supervisor.stop(0));

const { app, api, bridge, nats } = at;
const url = `http://127.0.0.1:${app}`;

try {
  await check(at);
  if (!options["no-build"]) await build({ app: !options.dev });
  run.prepare(options.fresh);
  supervisor.start("bridge", run.bin("bridge"), ["--listen", `127.0.0.1:${bridge}`, "--nats-listen", `127.0.0.1:${nats}`, "--store-dir", run.path("events"), "--log-level", "warn"], { restart: true });
  await supervisor.ready("bridge", `http://127.0.0.1:${bridge}/readyz`);
  supervisor.start("backend", run.bin("backend"), ["-listen", `127.0.0.1:${api}`, "-nats-url", `nats://127.0.0.1:${nats}`, "-db", run.path("shop.db"), "-bridge", `ws://127.0.0.1:${bridge}/v1/ws`, ...(options.dev ? [] : ["-app", root("dist")])]);
  await supervisor.ready("backend", `http://127.0.0.1:${api}/api/stats/now`);
  if (options.dev) {
    supervisor.start("vite", process.execPath, [root("node_modules/vite/bin/vite.js"), "--port", `${app}`, "--clearScreen", "false"], { env: { BACKEND_PORT: `${api}` }, cwd: root(".") });
    await supervisor.ready("vite", url);
  }
} catch (e) {
  if (!supervisor.stopping()) console.error(`\n${e.message}\n`);
  await supervisor.stop(1);
}

console.log(`
  Open ${url} in two windows, side by side.

  The bridge has process id ${supervisor.pid("bridge")}. Kill it (kill -9 ${supervisor.pid("bridge")}) and go on working: it is started again after ${PAUSE / 1000} s, and no event is missing.
  Publish from elsewhere: see ../publish. NATS is at nats://127.0.0.1:${nats}, the bridge at http://127.0.0.1:${bridge}.
  Ctrl-C stops everything.
`);
