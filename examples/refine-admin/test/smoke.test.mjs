// The example as two people see it, in Chromium, with everything real: the bridge, NATS, the backend, SQLite.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { root } from "../scripts/settings.mjs";
import { launch, openWindow, startShop, state, until } from "./shop.mjs";

let shop, browser, eva, tom;

before(async () => {
  [shop, browser] = await Promise.all([startShop(), launch()]);
  eva = await openWindow(browser, shop, "Eva");
  tom = await openWindow(browser, shop, "Tom", { dark: true });
});

after(async () => {
  await browser?.close();
  assert.equal(await shop?.stop(), 0, "the start script ends cleanly");
});

const row = (page, text) => page.locator("tr.ant-table-row", { hasText: text });
const field = (page, label) => page.getByRole("textbox", { name: label }).or(page.getByRole("spinbutton", { name: label }));

/** Counts the requests of a page from now on. */
function count(page, method, path) {
  const list = [];
  page.on("request", (r) => r.method() === method && path.test(new URL(r.url()).pathname) && list.push(r));
  return list;
}

async function edit(page, id, label, value) {
  await page.goto(`/products/edit/${id}`);
  await until("the record fills the form", async () => (await field(page, label).inputValue()) !== "");
  await field(page, label).fill(value);
  await page.getByRole("button", { name: "Save" }).click();
  await page.waitForURL("**/products");
}

/** What the feed of a page shows, newest first, one text per event. */
const feed = (page) => page.locator("[data-testid=feed] li .what").allInnerTexts();

/** What the feed should show: the newest events of the stream. */
async function stored() {
  const { events } = await shop.events("resource=*&last=50");
  return events.reverse().map((e) => ({ who: e.meta?.user ?? "Someone", title: e.payload.title ?? `${e.resource} ${e.id}` }));
}

test("a change in one window is seen in the other", async () => {
  await tom.goto("/products");
  await row(tom, "BRW-201").waitFor();
  const reads = count(tom, "GET", /^\/api\/products$/);
  await edit(eva, 4, "Price", "36.5");
  await row(tom, "BRW-201").filter({ hasText: "€36.50" }).waitFor();
  assert.match(await row(tom, "BRW-201").getAttribute("class"), /flash-/, "the row is highlighted");
  assert.equal(reads.length, 1, "read once for one event");
});

test("a window leaves out the echo of its own change", async () => {
  await Promise.all([eva.goto("/orders"), tom.goto("/orders")]);
  const open = (page) => page.locator("tr.ant-table-row", { has: page.getByRole("button", { name: /^Mark/ }) });
  const click = async (page, n) => {
    const id = await open(page).nth(n).getAttribute("data-row-key");
    await row(page, id).getByRole("button", { name: /^Mark/ }).click();
    return id;
  };
  await Promise.all([open(eva).first().waitFor(), open(tom).first().waitFor(), state(eva, "live"), state(tom, "live")]);
  const reads = count(eva, "GET", /^\/api\/orders$/);
  const mine = await click(eva, 0);
  for (const page of [eva, tom]) await page.locator(`tr[data-row-key="${mine}"][class*=flash-]`).waitFor(); // the event is there
  const theirs = await click(tom, 1);
  await eva.locator(`tr[data-row-key="${theirs}"][class*=flash-]`).waitFor();
  await until("the second read", () => reads.length >= 2);
  assert.equal(reads.length, 2, "once by Refine after Eva's own mutation, once for Tom's event");
});

test("a form keeps what is typed, says what changed meanwhile and takes it over", async () => {
  await tom.goto("/products/edit/5");
  await until("the record fills the form", async () => (await field(tom, "Price").inputValue()) === "42.90");
  await field(tom, "Description").fill("Tom is typing this.");
  await edit(eva, 5, "Price", "47");
  const notice = tom.getByTestId("meanwhile");
  await notice.waitFor();
  assert.match(await notice.innerText(), /Price: €42\.90 → €47\.00/);
  assert.equal(await field(tom, "Description").inputValue(), "Tom is typing this.");
  assert.equal(await field(tom, "Price").inputValue(), "42.90");
  await notice.getByRole("button", { name: "Take over" }).click();
  await notice.waitFor({ state: "detached" });
  assert.equal(await field(tom, "Price").inputValue(), "47.00");
  assert.equal(await field(tom, "Description").inputValue(), "Tom is typing this.");
  const saves = count(tom, "PATCH", /^\/api\/products\/5$/);
  await tom.getByRole("button", { name: "Save" }).click();
  await tom.waitForURL("**/products");
  assert.deepEqual(saves[0].postDataJSON(), { description: "Tom is typing this." });
});

test("the activity feed is filled from the stream, also after a reload", async () => {
  for (let reload = 0; reload < 2; reload++) {
    await (reload ? tom.reload() : tom.goto("/activity"));
    const want = await stored();
    await until("the whole past", async () => (await feed(tom)).length === want.length);
    const got = await feed(tom);
    want.forEach(({ who, title }, i) => assert.ok(got[i].endsWith(title) && got[i].startsWith(who), `entry ${i}: ${got[i]}, want ${who} … ${title}`));
  }
  assert.match((await feed(tom))[0], /^Tom changed Moka pot, 6 cups$/);
});

test("an event from a shell shows up", async () => {
  await shop.publish({ resource: "shop", type: "opened", id: "today" });
  await until("the event", async () => (await feed(tom))[0] === "Someone opened shop today");
});

test("the bridge is killed and comes back: the windows say so, and nothing is missing", async () => {
  await eva.goto("/products");
  await row(eva, "BRW-203").waitFor();
  const mira = await openWindow(browser, shop, "Mira");
  process.kill(shop.bridgePid(), "SIGKILL");
  await Promise.all([state(eva, "offline"), state(tom, "offline")]);

  // The shop works on; its events wait in the outbox.
  const other = await browser.newContext({ baseURL: shop.url });
  for (let stock = 131; stock <= 135; stock++) assert.equal((await other.request.patch("/api/products/6", { data: { stock }, headers: { "X-User": "Mira" } })).status(), 200);
  await other.close();
  await mira.getByTestId("Events in the outbox").filter({ hasText: "5they wait for NATS" }).waitFor();

  await Promise.all([state(eva, "live"), state(tom, "live")]);
  await row(eva, "BRW-203").filter({ hasText: "135" }).waitFor();
  await mira.getByTestId("Events in the outbox").filter({ hasText: "0everything" }).waitFor();
  await mira.context().close();
  await until("five entries of Mira", async () => (await feed(tom)).filter((t) => t.startsWith("Mira")).length === 5);
  const want = await stored();
  const got = await feed(tom);
  assert.deepEqual(got.slice(0, 12).map((t) => t.split(" ")[0]), want.slice(0, 12).map(({ who }) => who.split(" ")[0]), "in order, each once");
  const details = await tom.locator("[data-testid=feed] li .details").allInnerTexts();
  assert.deepEqual(details.slice(0, 5).map((t) => / (\d+)$/.exec(t.trim())?.[1]), ["135", "134", "133", "132", "131"]);
});

test("a record that somebody else deletes", async () => {
  await tom.goto("/products/show/19");
  await tom.getByText("Colombia").waitFor();
  await eva.goto("/products?pageSize=12&currentPage=2");
  await row(eva, "BNS-603").getByRole("button", { name: /delete/i }).click();
  await eva.locator(".ant-popconfirm").getByRole("button", { name: "Delete" }).click();
  await tom.getByText("this product does not exist").first().waitFor();
  await row(eva, "BNS-603").waitFor({ state: "detached" });
});

test("simulated activity: the switch moves in both windows and orders come in", async () => {
  await Promise.all([eva.goto("/"), tom.goto("/")]);
  const [mine, theirs] = [eva, tom].map((page) => page.getByRole("switch", { name: "Simulate activity" }));
  const first = await tom.locator(".columns tr.ant-table-row").first().innerText();
  await mine.click();
  await tom.locator("button[role=switch][aria-checked=true]").waitFor();
  await until("an order", async () => (await tom.locator(".columns tr.ant-table-row").first().innerText()) !== first, 60_000);
  await theirs.click();
  await eva.locator("button[role=switch][aria-checked=false]").waitFor();
});

test("the page of ../plain-html follows too, and publishes", async () => {
  const files = createServer((request, response) => {
    const path = new URL(request.url, shop.url).pathname;
    response.setHeader("Content-Type", path.endsWith(".js") ? "text/javascript" : "text/html").end(readFileSync(root(`../..${path}`)));
  }).listen(0, "127.0.0.1");
  await once(files, "listening");
  const page = await (await browser.newContext()).newPage();
  await page.goto(`http://127.0.0.1:${files.address().port}/examples/plain-html/index.html?bridge=${shop.bridge}`);
  await page.locator("tbody tr").nth(4).waitFor(); // of the past
  await page.getByLabel("Type").fill("counted");
  await page.getByRole("button", { name: "Publish" }).click();
  await page.locator("tbody tr").first().filter({ hasText: "counted" }).waitFor();
  await tom.goto("/activity");
  await until("the event", async () => (await feed(tom)).includes("Someone counted products 42"));
  await page.context().close();
  files.close();
});

test("the pages had no errors", () => {
  const expected = /WebSocket connection to .* failed|ERR_CONNECTION_REFUSED|status of 404/; // while the bridge was away; what was deleted
  for (const page of [eva, tom]) assert.deepEqual(page.problems.filter((p) => !expected.test(p)), []);
});
