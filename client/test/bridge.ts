// A real bridge for tests: a process on free loopback ports with a store of its own; and a network that can be cut.
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createConnection, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const repository = fileURLToPath(new URL("../..", import.meta.url));

/** The program under test: that named by LIVEBRIDGE_BIN, or one built now. */
export function binary(dir: string): string {
  const given = process.env.LIVEBRIDGE_BIN;
  if (given) {
    if (!existsSync(given)) throw new Error(`LIVEBRIDGE_BIN=${given}: no such file`);
    return given;
  }
  const out = join(dir, "bridge");
  execFileSync("go", ["build", "-o", out, "./cmd/bridge"], { cwd: repository, stdio: "inherit" });
  return out;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((done) => server.once("listening", done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

export interface Bridge {
  readonly http: string;
  readonly ws: string;
  readonly nats: string;
  readonly port: number;
  /** Starts the process (again) and waits until it is ready. */
  start(): Promise<void>;
  /** Ends the process with a signal and waits for it. */
  stop(signal: "SIGTERM" | "SIGKILL"): Promise<void>;
  /** Removes what was stored; only while stopped. */
  wipe(): void;
  /** POST /v1/events. */
  post(events: object | object[], headers?: Record<string, string>): Promise<{ cursor: string }[]>;
  /** Ends the process and removes what it stored. */
  remove(): Promise<void>;
}

export async function startBridge(...flags: string[]): Promise<Bridge> {
  const dir = mkdtempSync(join(tmpdir(), "livebridge-"));
  const program = binary(dir);
  const [port, natsPort] = [await freePort(), await freePort()];
  const http = `http://127.0.0.1:${port}`;
  let child: ChildProcess | undefined;
  let log = "";

  const bridge: Bridge = {
    http,
    port,
    ws: `ws://127.0.0.1:${port}/v1/ws`,
    nats: `nats://127.0.0.1:${natsPort}`,
    async start() {
      const args = ["--listen", `127.0.0.1:${port}`, "--nats-listen", `127.0.0.1:${natsPort}`, "--store-dir", join(dir, "data")];
      // The bridge takes every LIVEBRIDGE_… for a setting of its own.
      const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("LIVEBRIDGE_")));
      child = spawn(program, [...args, ...flags], { env });
      const mine = child;
      for (const stream of [mine.stdout!, mine.stderr!]) stream.on("data", (data) => (log += data));
      for (;;) {
        if (mine.exitCode != null) throw new Error(`the bridge ended with ${mine.exitCode}:\n${log}`);
        if (
          await fetch(http + "/readyz").then(
            (r) => r.ok,
            () => false,
          )
        )
          return;
        await new Promise((done) => setTimeout(done, 20));
      }
    },
    async stop(signal) {
      const mine = child!;
      if (mine.exitCode != null || mine.signalCode != null) return;
      const ended = new Promise((done) => mine.once("exit", done));
      mine.kill(signal);
      await ended;
    },
    wipe: () => rmSync(join(dir, "data"), { recursive: true, force: true }),
    async post(events, headers = {}) {
      const response = await fetch(http + "/v1/events", {
        method: "POST",
        body: JSON.stringify(events),
        headers: { "Content-Type": "application/json", ...headers },
      });
      if (!response.ok) throw new Error(`POST /v1/events: ${response.status} ${await response.text()}`);
      return ((await response.json()) as { events: { cursor: string }[] }).events;
    },
    async remove() {
      await bridge.stop("SIGKILL");
      rmSync(dir, { recursive: true, force: true });
    },
  };
  await bridge.start();
  return bridge;
}

export interface Network {
  readonly ws: string;
  /** From now on nothing passes, and nobody is told: as when a cable is pulled. New connections hang. */
  cut(): void;
  /** New connections pass again; those of before stay dead. */
  mend(): void;
  /** Breaks every connection there is; new ones pass. */
  drop(): void;
  /** How many connections were made. */
  readonly connections: number;
  close(): Promise<void>;
}

/** A way to a bridge that can be cut. */
export async function network(port: number): Promise<Network> {
  const sockets = new Set<Socket>();
  let whole = true;
  let connections = 0;
  const server: Server = createServer((near) => {
    connections++;
    const mine = whole;
    const far = createConnection(port, "127.0.0.1");
    const pass = (from: Socket, to: Socket) => {
      sockets.add(from);
      from.on("data", (data) => mine && whole && !dead.has(from) && to.write(data));
      from.on("error", () => {});
      from.on("close", () => (sockets.delete(from), mine && whole && !dead.has(from) && to.destroy()));
    };
    pass(near, far);
    pass(far, near);
  });
  const dead = new WeakSet<Socket>();
  server.listen(0, "127.0.0.1");
  await new Promise((done) => server.once("listening", done));
  return {
    ws: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/v1/ws`,
    cut() {
      whole = false;
      for (const s of sockets) dead.add(s);
    },
    mend: () => void (whole = true),
    drop() {
      for (const s of sockets) s.destroy();
    },
    get connections() {
      return connections;
    },
    async close() {
      for (const s of sockets) s.destroy();
      await new Promise((done) => server.close(done));
    },
  };
}
