// All that a case needs: the app, its API, a bridge with NATS inside, a plain NATS client, and a browser.
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build as vite } from "vite";
import { startApi } from "./api.mjs";
import { browser } from "./browser.mjs";
import { network } from "./network.mjs";
import { bridge, build } from "./processes.mjs";
import { publisher } from "./publisher.mjs";

const configFile = new URL("../vite.config.mjs", import.meta.url).pathname;

/** Builds the app; a development build has React's StrictMode mount everything twice. */
export async function app(dir, kind = "production") {
  const before = process.env.NODE_ENV;
  process.env.NODE_ENV = kind;
  await vite({ configFile, mode: kind, build: { outDir: join(dir, kind) } });
  if (before === undefined) delete process.env.NODE_ENV;
  else process.env.NODE_ENV = before;
  return join(dir, kind);
}

export async function startBed() {
  const dir = mkdtempSync(join(tmpdir(), "livebridge-refine-"));
  const closers = [];
  const bed = {
    dir,
    /** Runs at close, the last first. */
    closing: (f) => closers.push(f),
    async close() {
      for (const f of closers.reverse()) await f();
      // Failures leave their pictures.
      const kept = existsSync(join(dir, "failures"));
      for (const name of kept ? ["production", "development", "store", "bridge", "nats-server", "nats", "guarded", "jwt.secret"] : [""]) rmSync(join(dir, name), { recursive: true, force: true });
    },
    /** Opens a page; `settings` as in app/bed.ts. */
    open: (path, settings = {}) => bed.browser.open(bed.api.url + path, { url: bed.net.ws, ...settings }),
    /** Records 1 to n of a resource, titled `posts 1`. */
    fill(resource, ids = [1, 2, 3, 4, 5]) {
      for (const id of ids) bed.api.set(resource, id, { title: `${resource} ${id}`, note: "n" });
    },
  };
  try {
    bed.api = await startApi();
    bed.closing(bed.api.close);
    bed.api.folder = await app(dir);
    bed.program = process.env.LIVEBRIDGE_BIN ?? build(dir, "bridge", "./cmd/bridge");
    bed.bridge = await bridge(bed.program, { dir: join(dir, "store") });
    bed.closing(() => bed.bridge.stop("SIGKILL"));
    await bed.bridge.start();
    bed.net = await network(bed.bridge.port);
    bed.closing(bed.net.close);
    bed.nats = await publisher(bed.bridge.nats);
    bed.closing(() => bed.nats.close());
    bed.browser = await browser(dir);
    bed.closing(() => bed.browser.close());
    return bed;
  } catch (e) {
    await bed.close();
    throw e;
  }
}
