// Chromium with a new profile, and a page of the app as a case uses it.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
// Playwright switches the back-forward cache off; what people use has it.
const ignoreDefaultArgs = ["--disable-back-forward-cache"];
const args = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

export async function browser(dir) {
  const program = await chromium.launch({ executablePath, args, ignoreDefaultArgs });
  const context = await program.newContext({ viewport: { width: 1200, height: 900 } });
  context.setDefaultTimeout(10_000);
  const outside = [];
  context.on("request", (request) => /^(http|ws)s?:\/\/127\.0\.0\.1[:/]|^data:/.test(request.url()) || outside.push(request.url()));
  let shots = 0;
  return {
    context,
    /** Addresses asked for that are not on this machine. */
    outside,
    /** Opens a page of the app with these settings (see app/bed.ts). */
    async open(url, settings) {
      const page = await context.newPage();
      await page.addInitScript((s) => (window.settings = s), settings);
      const frames = [];
      page.on("websocket", (ws) => {
        for (const way of ["sent", "received"]) ws.on(`frame${way}`, ({ payload }) => payload.split("\n").forEach((line) => line && frames.push({ way, ...JSON.parse(line) })));
      });
      page.on("pageerror", (error) => console.error("# pageerror:", error.message));
      await page.goto(url);
      return handle(page, frames);
    },
    /** Keeps what the pages show, to be looked at after a failure. */
    async shoot(name) {
      const folder = join(dir, "failures");
      mkdirSync(folder, { recursive: true });
      for (const page of context.pages().filter((p) => p.url().startsWith("http"))) {
        const path = join(folder, `${++shots}-${name.replace(/\W+/g, "-")}.png`);
        await page.screenshot({ path }).then(
          () => console.error(`# ${path}`),
          () => {},
        );
      }
    },
    /** Stops the processes that run pages, as a laptop's lid does; the returned function has them go on. */
    async freeze() {
      const session = await program.newBrowserCDPSession();
      const { processInfo } = await session.send("SystemInfo.getProcessInfo");
      const pages = processInfo.filter(({ type }) => type == "renderer");
      for (const { id } of pages) process.kill(id, "SIGSTOP");
      return () => pages.forEach(({ id }) => process.kill(id, "SIGCONT"));
    },
    close: () => program.close(),
  };
}

function handle(page, frames) {
  const section = (name) => page.locator(`[data-hook="${name}"]`);
  return {
    page,
    /** What went over the WebSocket, in order. */
    frames,
    sent: (op) => frames.filter((f) => f.way == "sent" && f.op == op),
    /** Waits until a hook shows a text. */
    shows: (name, text, timeout) => page.locator(`[data-hook="${name}"] [data-text]`, { hasText: text }).waitFor({ timeout }),
    text: (name) => section(name).locator("[data-text]").innerText(),
    field: (name, field = "title") => section(name).locator(`input[data-field="${field}"]`),
    press: (button) => page.locator(`[data-button="${button}"]`).dispatchEvent("click"),
    state: (state, timeout) => page.locator(`[data-state="${state}"]`).waitFor({ timeout }),
    /** Waits until the page knows that it is not connected. */
    lost: () => page.locator('[data-state="live"]').waitFor({ state: "detached" }),
    /** What the page noted (app/bed.ts). */
    log: () => page.evaluate(() => window.bed.log),
    /** What a hook was told: type and ids. */
    told: (who) => page.evaluate((w) => window.bed.log.events.filter((e) => e.who == w), who),
    /** When a hook first showed a text, ms since 1970. */
    shownAt: (who, text) => page.evaluate(([w, t]) => window.bed.log.shown.find((s) => s.who == w && s.text.includes(t))?.at, [who, text]),
    forget: () =>
      page.evaluate(() => {
        for (const list of Object.values(window.bed.log)) list.length = 0;
      }),
    close: () => page.close(),
  };
}
