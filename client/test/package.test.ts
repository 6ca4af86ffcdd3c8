// The package as it is published: packed, installed into an empty folder, imported and required.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { runInNewContext } from "node:vm";
import { startBridge, type Bridge } from "./bridge.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const npm = (...args: string[]) => execFileSync("npm", args, { cwd: dir, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
let dir: string;
let bridge: Bridge;

before(async () => {
  dir = mkdtempSync(join(tmpdir(), "livebridge-package-"));
  bridge = await startBridge();
});
after(async () => {
  await bridge?.remove();
  rmSync(dir, { recursive: true, force: true });
});

describe("packed", { timeout: 60_000 }, () => {
  test("holds dist, its papers and nothing else", () => {
    const [pack] = JSON.parse(npm("pack", root, "--json", "--ignore-scripts", "--pack-destination", dir));
    const files: string[] = pack.files.map((f: { path: string }) => f.path);
    assert.deepEqual(
      files.filter((f) => !f.startsWith("dist/")),
      ["LICENSE", "README.md", "package.json"],
    );
    assert.ok(files.includes("dist/livebridge.global.js"));
    writeFileSync(join(dir, "package.json"), "{}");
    npm("install", "--offline", "--no-audit", "--no-fund", join(dir, pack.filename));
    assert.deepEqual(
      readdirSync(join(dir, "node_modules")).filter((name) => name[0] != "."),
      ["livebridge"],
    );
  });

  const script = (load: string) => `
    ${load}
    const client = createClient({ url: ${JSON.stringify(bridge.http)} + "/v1/ws", WebSocket, linger: 50 });
    const onLive = () => client.publish({ resource: "r", type: "updated", id: 7 }).catch((e) => { console.log(e); process.exit(1); });
    const handle = client.subscribe({ resource: "r", onLive }, (e) => { console.log(e.kind, e.id, e.own); handle.close(); });
    // Nothing else ends the program: the client lets go of it.
  `;
  const ws = join(root, "node_modules/ws");

  test("runs as an ES module", () => {
    writeFileSync(
      join(dir, "a.mjs"),
      script(`import { createClient } from "livebridge"; import WebSocket from ${JSON.stringify(ws + "/wrapper.mjs")};`),
    );
    assert.equal(execFileSync(process.execPath, ["a.mjs"], { cwd: dir, encoding: "utf8" }), "event 7 true\n");
  });

  test("runs with require", () => {
    writeFileSync(
      join(dir, "a.cjs"),
      script(`const { createClient } = require("livebridge"); const WebSocket = require(${JSON.stringify(ws)});`),
    );
    assert.equal(execFileSync(process.execPath, ["a.cjs"], { cwd: dir, encoding: "utf8" }), "event 7 true\n");
  });

  test("one file for pages without a build step", () => {
    const page = runInNewContext(readFileSync(join(root, "dist/livebridge.global.js"), "utf8") + "; livebridge", {});
    assert.equal(typeof page.createClient, "function");
  });

  test("on a server that renders pages, importing and making a client touch nothing", () => {
    const code = `
      for (const name of ["WebSocket", "window", "document", "location", "fetch", "addEventListener"])
        Object.defineProperty(globalThis, name, { configurable: true, get() { throw new Error(name + " was touched"); } });
      const { createClient } = await import("livebridge");
      const client = createClient({ url: "/v1/ws" });
      client.on("state", () => {});
      console.log(client.state);
    `;
    assert.equal(execFileSync(process.execPath, ["--input-type=module", "-e", code], { cwd: dir, encoding: "utf8" }), "closed\n");
  });
});
