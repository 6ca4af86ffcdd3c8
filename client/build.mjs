// Builds dist/ (ESM, CJS, types, one file for pages) from the entries in src/; with --tests, the tests into .test/ instead.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const tsc = new URL("node_modules/typescript/bin/tsc", import.meta.url).pathname;
const common = { bundle: true, target: "es2022", logLevel: "warning", mangleProps: /[a-z]_$/ };
const entries = ["index", "refine", "react"].map((name) => `src/${name}.ts`).filter(existsSync);

async function library() {
  rmSync("dist", { recursive: true, force: true });
  // One copy of what the entries share, so that an instanceof holds across them.
  await build({
    ...common,
    entryPoints: entries,
    outdir: "dist",
    format: "esm",
    splitting: true,
    packages: "external",
    outExtension: { ".js": ".mjs" },
  });
  await build({
    ...common,
    entryPoints: entries,
    outdir: "dist",
    format: "cjs",
    packages: "external",
    outExtension: { ".js": ".cjs" },
  });
  await build({
    ...common,
    entryPoints: ["src/index.ts"],
    outfile: "dist/livebridge.global.js",
    format: "iife",
    globalName: "livebridge",
    minify: true,
  });
  types();
}

/** Declarations, once for import and once for require: each kind names its neighbours by its own extension. */
function types() {
  execFileSync(process.execPath, [tsc, "-p", "tsconfig.build.json"], { stdio: "inherit" });
  for (const name of readdirSync("dist/types")) {
    const text = readFileSync(`dist/types/${name}`, "utf8");
    for (const ext of ["mjs", "cjs"]) {
      const target = name.replace(/\.d\.ts$/, `.d.${ext[0]}ts`);
      writeFileSync(`dist/${target}`, text.replace(/(from |import\()"(\.\/[^"]+)\.js"/g, `$1"$2.${ext}"`));
    }
  }
  rmSync("dist/types", { recursive: true });
}

async function tests() {
  rmSync(".test", { recursive: true, force: true });
  mkdirSync(".test");
  const entryPoints = readdirSync("test")
    .filter((f) => /\.test\.tsx?$/.test(f))
    .map((f) => `test/${f}`);
  await build({
    ...common,
    entryPoints,
    outdir: ".test",
    format: "esm",
    platform: "node",
    packages: "external",
    sourcemap: "inline",
    jsx: "automatic",
    outExtension: { ".js": ".mjs" },
  });
}

await (process.argv.includes("--tests") ? tests() : library());
