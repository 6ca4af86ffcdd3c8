// Checks what is needed and builds what runs.
import { spawn } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { root, run } from "./settings.mjs";

/** Runs a command to its end; its output is shown only if it fails. */
function command(what, name, args, { cwd } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(name, args, { cwd, stdio: ["ignore", "pipe", "pipe"], shell: process.platform === "win32" && name === "npm" });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += data));
    child.on("error", (e) => reject(new Error(`${what}: ${e.message}`)));
    child.on("close", (code) => (code === 0 ? resolve(output) : reject(new Error(`${what}: ${name} ${args.join(" ")} ended with ${code}\n${output.trim()}`))));
  });
}

/** Refuses to go on where something is missing or a port is taken, and says what to do. */
export async function check(ports) {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19)) throw new Error(`Node ${process.versions.node} is too old: install Node 20.19 or newer, https://nodejs.org`);
  const go = await command("look for Go", "go", ["env", "GOVERSION"]).catch(() => "");
  if (!go) throw new Error("Go is missing: the bridge and the backend are built with it. Install Go 1.26 or newer, https://go.dev/dl");
  for (const [name, port] of Object.entries({ APP_PORT: ports.app, API_PORT: ports.api, BRIDGE_PORT: ports.bridge, NATS_PORT: ports.nats }))
    if (!(await free(port))) throw new Error(`port ${port} is in use: set ${name} to another one, such as ${name}=${port + 10} npm start`);
}

const free = (port) =>
  new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => server.close(() => resolve(true)));
  });

/** Installs and builds what is missing or old: the client, the two programs, the app. */
export async function build({ app }) {
  const client = root("../../client");
  const install = async (what, cwd) => {
    if (existsSync(`${cwd}/node_modules/.package-lock.json`)) return;
    say(`installing the npm packages of ${what}`);
    await command(`install the packages of ${what}`, "npm", ["ci", "--no-audit", "--no-fund"], { cwd });
  };
  if (newest(`${client}/src`) > newest(`${client}/dist`)) {
    await install("the client", client);
    say("building the client");
    await command("build the client", "npm", ["run", "build"], { cwd: client });
  }
  await install("the app", root("."));
  say("building the bridge and the backend (the first time takes a minute)");
  await command("build the bridge", "go", ["build", "-o", run.bin("bridge"), "./cmd/bridge"], { cwd: root("../..") });
  await command("build the backend", "go", ["build", "-o", run.bin("backend"), "."], { cwd: root("backend") });
  if (!app) return;
  say("building the app");
  await command("build the app", process.execPath, [root("node_modules/vite/bin/vite.js"), "build", "--logLevel", "warn"], { cwd: root(".") });
}

const say = (text) => console.log(`  ${text} …`);

/** When the newest file of a folder was changed; 0 if there is none. */
const newest = (folder) => (existsSync(folder) ? Math.max(0, ...readdirSync(folder).map((name) => statSync(`${folder}/${name}`).mtimeMs)) : 0);
