// The client and a real bridge that asks for tokens: it connects with one, replaces it in time, and comes back with another when it was refused.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test as run } from "node:test";
import { WebSocket } from "ws";
import { createClient } from "../src/index.js";
import type { TokenReason } from "../src/types.js";
import { binary, startBridge, type Bridge } from "./bridge.js";

const test = (name: string, f: () => Promise<void>) => run(name, { timeout: 30_000 }, f);
const until = async (what: () => unknown) => {
  while (!what()) await new Promise((done) => setTimeout(done, 5));
};

let bridge: Bridge;
let program: string;
const dir = mkdtempSync(join(tmpdir(), "livebridge-tokens-"));
const secret = join(dir, "jwt.secret");

/** What a backend does. */
const mint = (...args: string[]) =>
  execFileSync(program, ["token", "--secret-file", secret, "--sub", "ada", ...args], { encoding: "utf8" }).trim();

before(async () => {
  program = binary(dir);
  writeFileSync(secret, "0123456789abcdef0123456789abcdef\n", { mode: 0o600 });
  bridge = await startBridge("--jwt-secret-file", secret);
});
after(async () => {
  await bridge?.remove();
  rmSync(dir, { recursive: true, force: true });
});

describe("with a bridge that asks for tokens", () => {
  test("a token is replaced on the open connection before it expires", async () => {
    const why: TokenReason[] = [];
    let connections = 0;
    class Counted extends WebSocket {
      constructor(url: string, protocols: string | string[]) {
        super(url, protocols);
        connections++;
      }
    }
    const client = createClient({
      url: bridge.ws,
      WebSocket: Counted,
      getToken: (reason) => {
        why.push(reason);
        return mint("--subscribe", "products.>", "--publish", "products.>", "--expires", why.length < 3 ? "3s" : "1h");
      },
    });
    const heard: string[] = [];
    let live = false;
    client.subscribe({ resource: "products", onLive: () => (live = true) }, (m) => m.kind == "event" && heard.push(m.ids.join()));
    await until(() => live);
    await client.publish({ resource: "products", type: "updated", id: 1 });
    await until(() => why.length == 3);
    await client.publish({ resource: "products", type: "updated", id: 2 });
    await until(() => heard.length == 2);
    assert.deepEqual([why, heard, connections], [["connect", "expiring", "expiring"], ["1", "2"], 1]);
    assert.equal((await client.history({ resource: "products" })).events.length, 2);
    await assert.rejects(client.publish({ resource: "orders", type: "updated", id: 1 }), { code: "forbidden" });
    client.close();
  });

  test("a subscription that a fresh token does not cover is told so", async () => {
    const errors: string[] = [];
    let minted = 0;
    const client = createClient({
      url: bridge.ws,
      WebSocket,
      getToken: () => (minted++ ? mint("--subscribe", "products.>") : mint("--subscribe", ">", "--expires", "3s")),
    });
    client.on("error", (e) => errors.push(e.code));
    let live = 0;
    const heard: string[] = [];
    for (const resource of ["products", "orders"])
      client.subscribe({ resource, onLive: () => live++ }, (m) => m.kind == "event" && heard.push(m.resource));
    await until(() => live == 2);
    await until(() => errors.length);
    for (const resource of ["orders", "products"])
      await bridge.post([{ resource, type: "updated", id: "7" }], { Authorization: "Bearer " + mint("--publish", ">") });
    await until(() => heard.length);
    assert.deepEqual([errors, heard], [["forbidden"], ["products"]]);
    assert.equal(client.state, "live");
    client.close();
  });

  test("with no better token the client gives up", async () => {
    const client = createClient({ url: bridge.ws, WebSocket, getToken: () => "nonsense", retry: () => 10 });
    const errors: string[] = [];
    client.on("error", (e) => errors.push(e.code));
    client.subscribe({ resource: "products" }, () => {});
    await until(() => client.state == "closed");
    assert.ok(errors.includes("unauthorized"), errors.join());
    client.close();
  });
});
