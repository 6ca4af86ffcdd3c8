// Where things are.
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** A path in this example. */
export const root = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

const folder = process.env.RUN_DIR ?? root(".run");

/** What is built and stored when it runs: .run, or the folder RUN_DIR. */
export const run = {
  path: (name) => `${folder}/${name}`,
  bin: (name) => root(`.run/bin/${name}${process.platform === "win32" ? ".exe" : ""}`),
  prepare(fresh) {
    if (fresh) for (const name of ["events", "shop.db", "shop.db-wal", "shop.db-shm"]) rmSync(run.path(name), { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
  },
  built: () => ["bridge", "backend"].every((name) => existsSync(run.bin(name))) && existsSync(root("dist/index.html")),
};

/** The ports, from the environment. */
export function ports(dev) {
  const port = (name, otherwise) => {
    const n = Number(process.env[name] ?? otherwise);
    if (!Number.isInteger(n) || n < 1 || n > 65535) throw new Error(`${name} is ${process.env[name]}: give a port from 1 to 65535`);
    return n;
  };
  const app = port("APP_PORT", 3000);
  return { app, api: dev ? port("API_PORT", 3001) : app, bridge: port("BRIDGE_PORT", 8080), nats: port("NATS_PORT", 4222) };
}
