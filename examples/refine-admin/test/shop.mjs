// The example as a person starts it, and windows of a browser on it.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { chromium } from "playwright-core";
import { root, run } from "../scripts/settings.mjs";

const browserArgs = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

export const launch = () =>
  chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", headless: true, args: browserArgs }).catch((e) => {
    throw new Error(`Chromium is needed (Debian and Ubuntu: sudo apt-get install chromium; elsewhere set CHROMIUM to its path): ${e.message}`);
  });

const freePort = () =>
  new Promise((resolve, reject) => {
    const server = createServer().on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

/** Starts everything by the script of `npm start`, on free ports, in a new folder. */
export async function startShop() {
  const folder = mkdtempSync(`${tmpdir()}/refine-admin-`);
  const [app, bridge, nats] = [await freePort(), await freePort(), await freePort()];
  const env = { ...process.env, RUN_DIR: folder, APP_PORT: app, BRIDGE_PORT: bridge, NATS_PORT: nats, RESTART_AFTER: 10_000 };
  const child = spawn(process.execPath, [root("scripts/start.mjs"), ...(process.env.NO_BUILD && run.built() ? ["--no-build"] : [])], { env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += data));
  const ended = new Promise((resolve) => child.once("exit", resolve));
  await until("the shop to start", async () => {
    if (child.exitCode !== null) throw new Error(`the shop did not start:\n${output}`);
    return output.includes("Open http");
  }, 300_000);
  return {
    url: `http://127.0.0.1:${app}`,
    bridge: `ws://127.0.0.1:${bridge}/v1/ws`,
    events: (query) => fetch(`http://127.0.0.1:${bridge}/v1/events?${query}`).then((r) => r.json()),
    publish: (event) => fetch(`http://127.0.0.1:${bridge}/v1/events`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(event) }),
    output: () => output,
    bridgePid: () => Number(/process id (\d+)/.exec(output)[1]),
    async stop() {
      child.kill("SIGTERM");
      const code = await ended;
      rmSync(folder, { recursive: true, force: true });
      return code;
    },
  };
}

/** A window of its own: own storage, own session, own user. Whatever goes wrong in the page is collected in `problems`. */
export async function openWindow(browser, shop, user, { path = "/", width = 1280, height = 800, dark = false } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: dark ? "dark" : "light", baseURL: shop.url, reducedMotion: "no-preference" });
  await context.addInitScript(([name, value]) => sessionStorage.setItem(name, value), ["user", user]);
  const page = await context.newPage();
  page.problems = [];
  page.on("pageerror", (e) => page.problems.push(`${e}`));
  page.on("console", (m) => ["error", "warning"].includes(m.type()) && page.problems.push(m.text()));
  page.on("requestfinished", (request) => {
    if (!/^(127\.0\.0\.1|localhost)$/.test(new URL(request.url()).hostname)) page.problems.push(`a request off loopback: ${request.url()}`);
  });
  await page.goto(path);
  await state(page, "live");
  return page;
}

export const state = (page, name) => page.locator(`[data-testid=live][data-state=${name}]`).waitFor({ timeout: 30_000 });

/** Waits until f gives something true. */
export async function until(what, f, ms = 20_000) {
  for (const end = Date.now() + ms; Date.now() < end; await new Promise((r) => setTimeout(r, 50))) if (await f()) return;
  throw new Error(`waited in vain for ${what}`);
}
