// What a page has to load: both entries whole, as a bundler minifies them.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const dist = fileURLToPath(new URL("../dist", import.meta.url));

const size = async (...entries: string[]) => {
  const contents = entries.map((name) => `export * from "./${name}.mjs";`).join("\n");
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: dist },
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    packages: "external",
    write: false,
  });
  return gzipSync(outputFiles[0]!.contents, { level: 9 }).length;
};

test("livebridge and livebridge/refine together are under 5 kB gzip", async (t) => {
  const core = await size("index");
  const both = existsSync(`${dist}/refine.mjs`) ? await size("index", "refine") : core;
  t.diagnostic(`livebridge ${core} B, with livebridge/refine ${both} B`);
  assert.ok(core < 3700, `livebridge alone has ${core} B`);
  assert.ok(both < 5000, `together they have ${both} B`);
});
