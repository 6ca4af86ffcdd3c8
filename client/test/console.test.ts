// The bridge's console is made of plain modules and of a committed copy of the bundle for pages, so that building the bridge takes no Node.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
// @ts-expect-error: plain JavaScript, checked below
import { defaults, fromHash, readList, startError, toHash, writeList } from "../../bridge/console/settings.js";
// @ts-expect-error
import { curlLine, natsLine, subject } from "../../bridge/console/shell.js";

const client = fileURLToPath(new URL("..", import.meta.url));
const folder = join(client, "../bridge/console");

test("the console has the bundle that this source makes", () => {
  const [made, committed] = [join(client, "dist/livebridge.global.js"), join(folder, "livebridge.js")].map((path) => readFileSync(path, "utf8"));
  assert.ok(made == committed, "bridge/console/livebridge.js is not what `npm run build` makes: run `make console`");
});

test("the types in the console's comments hold", () => {
  const files = readdirSync(folder).filter((name) => name.endsWith(".js") && name != "livebridge.js");
  const options = "--ignoreConfig --allowJs --checkJs --noEmit --strict --noUnusedLocals --target es2022 --module esnext --moduleResolution bundler --types".split(" ");
  const tsc = join(createRequire(import.meta.url).resolve("typescript/package.json"), "../bin/tsc");
  execFileSync(process.execPath, [tsc, ...options, "", "--lib", "es2023,dom,dom.iterable", ...files.map((name) => join(folder, name))], { stdio: "inherit" });
});

// What the page computes by itself, as PROTOCOL.md has it.
test("the console's subjects, lists and addresses", () => {
  assert.equal(subject("blog/posts", "é", "a.b@c"), "live.blog%2Fposts.%C3%A9.a%2Eb%40c");
  assert.equal(subject("*", "_", ""), "live.%2A.%5F._");
  const event = { resource: "it's", type: "updated", id: "1", payload: { a: "b c" } };
  assert.equal(natsLine("", event), `nats pub live.it%27s.updated.1 '{"a":"b c"}'`);
  assert.ok(curlLine("http://x", event).endsWith(`-d '{"resource":"it'\\''s","type":"updated","id":"1","payload":{"a":"b c"}}'`));

  for (const list of [[], ["1"], ["1", "2"], ["a,b", "c"], [" x"], ["[1]"], [""]]) assert.deepEqual(readList(writeList(list)), list);
  assert.deepEqual(readList(" 1,, 2 "), ["1", "2"]);
  assert.throws(() => readList("[1"), /JSON array/);
  assert.throws(() => readList("[{}]"), /texts and numbers/);

  const starts = [
    ["now", ""],
    ["last", "7"],
    ["ago", "1h30m"],
    ["time", "2026-11-25T14:00:00.000Z"],
    ["after", "5kQ2-412-x7"],
  ].map(([kind, value]) => ({ kind, value }));
  for (const start of starts) {
    const settings = { resource: "a&b#c", types: ["x=y", "*"], ids: ["ü", "1"], start, search: "100 %" };
    assert.deepEqual(fromHash("#" + toHash(settings)), settings);
    assert.equal(startError(start), "");
  }
  assert.equal(toHash(defaults()), "");
  assert.deepEqual(fromHash(""), defaults());
  for (const value of ["", "5", "1h2", "-5m", "2h1d"]) assert.notEqual(startError({ kind: "ago", value }), "", value);
  for (const value of ["1ms", "2d", "1d12h", "1.5h", "µs"]) assert.equal(startError({ kind: "ago", value }) == "", value != "µs", value);
});
