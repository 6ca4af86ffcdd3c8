import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { join } from "node:path";
import { network } from "../bed/network.mjs";
import { bridge, build, natsServer } from "../bed/processes.mjs";
import { publisher } from "../bed/publisher.mjs";

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/**
 * A page of hooks on posts and comments and one of useSubscription, at rest; f makes the outage and calls `tell` for each
 * event meanwhile. Then the first shows what was missed and has read only what changed, and the second was told each once.
 * `more` are settings of the pages, and `expected` the errors that the client may tell of.
 */
export const through = async (bed, f, missed = 3, more = {}, expected = /^$/) => {
  bed.fill("posts");
  bed.fill("comments");
  const settings = { url: bed.net.ws, ...more };
  const page = await bed.open("/hooks?hooks=useList,useOne,useTable:comments", settings);
  const feed = await bed.open("/subscription?channel=posts", settings);
  for (const p of [page, feed]) await p.state("live");
  for (const [hook, text] of [["useOne", "posts 1"], ["useTable", "comments 1"]]) await page.shows(hook, text);
  await bed.api.quiet(500);
  for (const p of [page, feed]) await p.forget();
  bed.api.clear();
  let n = 0;
  const tell = async () => {
    bed.api.set("posts", 1, { title: `missed ${n};` });
    await bed.nats.tell("posts", "updated", 1, { n: n++ });
  };
  await f({ page, feed, tell });
  for (const p of [page, feed]) await p.state("live", 30_000);
  if (missed) for (const hook of ["useList", "useOne"]) await page.shows(hook, `missed ${missed - 1};`);
  await bed.api.quiet(500);
  const log = await page.log();
  assert.deepEqual((await feed.told("subscription")).map((e) => e.payload.n), [...Array(missed).keys()]);
  assert.ok(bed.api.reads.every((read) => read.startsWith("posts")), `only posts changed: ${bed.api.reads}`);
  assert.ok(bed.api.reads.length <= missed * 2, String(bed.api.reads));
  assert.deepEqual([log.errors.filter((e) => !expected.test(e)), log.events.filter((e) => e.who == "useTable")], [[], []]);
  // And it is live again.
  await tell();
  await page.shows("useOne", `missed ${missed};`);
  const told = await feed.told("subscription");
  assert.equal(told.length, missed + 1);
  return { states: (await feed.log()).states, told };
};

export const cases = (get) => {
  test("the bridge, NATS inside it and all, is killed and started again", async () => {
    const bed = get();
    await through(bed, async ({ page, tell }) => {
      await tell();
      await page.shows("useOne", "missed 0;");
      await bed.nats.close();
      await bed.bridge.stop("SIGKILL");
      await page.lost();
      await bed.bridge.start();
      bed.nats = await publisher(bed.bridge.nats);
      for (let i = 0; i < 2; i++) await tell();
    });
  });

  describe("with a NATS server of its own", () => {
    let bed, a, b, nats;
    before(async () => {
      const { dir, program } = get();
      nats = await natsServer(build(dir, "nats-server", "github.com/nats-io/nats-server/v2"), join(dir, "nats"));
      await nats.start();
      const options = { nats: nats.url, flags: ["--ping", "1s"] };
      [a, b] = [await bridge(program, options), await bridge(program, options)];
      await a.start();
      await b.start();
      bed = Object.assign(Object.create(get()), { net: await network(a.port), nats: await publisher(nats.url) });
    });
    after(async () => {
      bed.net.close();
      await bed.nats.close();
      for (const p of [a, b, nats]) await p.stop("SIGKILL");
    });

    test("the bridge is killed and comes back: what was missed comes once", () =>
      through(bed, async ({ page, tell }) => {
        await a.stop("SIGKILL");
        await page.lost();
        for (let i = 0; i < 3; i++) await tell();
        await a.start();
      }));

    test("nothing happened meanwhile: nothing is read", () =>
      through(
        bed,
        async ({ page }) => {
          await a.stop("SIGKILL");
          await page.lost();
          await a.start();
        },
        0,
      ));

    test("another bridge takes over, the first drains", () =>
      through(bed, async ({ page, tell }) => {
        await tell();
        await page.shows("useOne", "missed 0;");
        bed.net.port = b.port;
        await a.stop("SIGTERM");
        for (let i = 0; i < 2; i++) await tell();
      }).finally(() => a.start()));

    test("the network is cut for 10 s and nobody is told", () =>
      through(bed, async ({ page, tell }) => {
        bed.net.cut();
        const end = sleep(10_000);
        for (let i = 0; i < 3; i++) await tell();
        await page.lost();
        await end;
        assert.equal(await page.text("useOne"), "posts 1");
        bed.net.mend();
      }).finally(bed.net.mend));

    test("the browser is offline for 10 s", () =>
      through(bed, async ({ page, feed, tell }) => {
        await page.page.context().setOffline(true);
        const end = sleep(10_000);
        for (let i = 0; i < 3; i++) await tell();
        await end;
        await page.page.context().setOffline(false);
        for (const p of [page, feed]) assert.equal(await p.page.evaluate(() => navigator.onLine), true);
      }));

    test("the pages are frozen for 5 s", async () => {
      let thawed;
      const { told } = await through(bed, async ({ tell }) => {
        const thaw = await bed.browser.freeze();
        const end = sleep(5000);
        for (let i = 0; i < 3; i++) await tell();
        await end;
        thawed = Date.now();
        thaw();
      });
      assert.ok(told.every((e) => e.at >= thawed), "they were frozen");
    });

    test("the pages are left, and come out of the back-forward cache", async () => {
      const { states } = await through(bed, async ({ page, feed, tell }) => {
        for (const p of [page, feed]) await p.page.goto(bed.api.url + "/elsewhere");
        for (let i = 0; i < 3; i++) await tell();
        for (const p of [page, feed]) await p.page.goBack({ waitUntil: "commit" });
      });
      assert.ok(states.includes("restored"), String(states));
    });

    test("the stream is made anew: each hook is told once that anything may have changed", async () => {
      bed.fill("posts");
      bed.fill("comments");
      const page = await bed.open("/hooks?hooks=useList,useOne,useMany,useTable:comments", { url: bed.net.ws });
      await page.state("live");
      await page.shows("useOne", "posts 1");
      await bed.nats.tell("posts", "updated", 1);
      await bed.api.quiet(500);
      await page.forget();
      bed.api.clear();
      for (const p of [a, b]) await p.stop("SIGTERM");
      await bed.nats.dropStream();
      bed.api.set("posts", 1, { title: "never told" });
      bed.api.set("comments", 1, { title: "nor this" });
      for (const p of [a, b]) await p.start();
      await page.state("live", 30_000);
      for (const hook of ["useList", "useOne", "useMany"]) await page.shows(hook, "never told");
      await page.shows("useTable", "nor this");
      await bed.api.quiet(500);
      assert.deepEqual(bed.api.reads.sort(), ["comments", "posts", "posts/1", "posts?1,2"]);
      const { events } = await page.log();
      assert.deepEqual(
        events.filter((e) => e.who != "Refine").map((e) => [e.who, e.type, e.ids]).sort(),
        ["useList", "useMany", "useOne", "useTable"].map((who) => [who, "*", []]),
      );
      bed.api.set("posts", 1, { title: "told" });
      await bed.nats.tell("posts", "updated", 1);
      await page.shows("useOne", "told");
    });
  });
};
