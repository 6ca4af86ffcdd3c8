// The real programs: bridges, and a NATS server of its own; each on free loopback ports with a store in a temporary folder.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const repository = fileURLToPath(new URL("../../..", import.meta.url));

/** Builds a Go program of this module, or of one that it requires. */
export function build(dir, name, pkg) {
  const out = join(dir, name);
  execFileSync("go", ["build", "-o", out, pkg], { cwd: repository, stdio: "inherit" });
  return out;
}

export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

/** A program that can be started again with the same arguments; `ready()` resolves to true when it is of use. */
function program(file, args, ready) {
  let child;
  let log = "";
  // The bridge takes every LIVEBRIDGE_… for a setting of its own.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("LIVEBRIDGE_")));
  return {
    async start() {
      const mine = (child = spawn(file, args, { env }));
      for (const stream of [mine.stdout, mine.stderr]) stream.on("data", (data) => (log += data));
      const end = Date.now() + 20_000;
      while (!(await ready().catch(() => false))) {
        if (mine.exitCode != null || Date.now() > end) throw new Error(`${file} ${args.join(" ")}: exit ${mine.exitCode}\n${log}`);
        await new Promise((done) => setTimeout(done, 20));
      }
    },
    async stop(signal = "SIGTERM") {
      if (!child || child.exitCode != null || child.signalCode != null) return;
      const ended = once(child, "exit");
      child.kill(signal);
      await ended;
    },
    get log() {
      return log;
    },
  };
}

/** A bridge; with `nats`, the address of a NATS server, none is embedded. */
export async function bridge(file, { nats, dir, flags = [] }) {
  const [port, natsPort] = [await freePort(), await freePort()];
  const own = nats ? ["--nats-url", nats] : ["--nats-listen", `127.0.0.1:${natsPort}`, "--store-dir", dir];
  const ready = async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok;
  return Object.assign(program(file, ["--listen", `127.0.0.1:${port}`, ...own, ...flags], ready), { port, nats: nats ?? `nats://127.0.0.1:${natsPort}` });
}

export async function natsServer(file, dir) {
  const [port, http] = [await freePort(), await freePort()];
  const args = ["-a", "127.0.0.1", "-p", String(port), "-m", String(http), "-js", "-sd", dir];
  const ready = async () => (await fetch(`http://127.0.0.1:${http}/healthz`)).ok;
  return Object.assign(program(file, args, ready), { url: `nats://127.0.0.1:${port}` });
}
