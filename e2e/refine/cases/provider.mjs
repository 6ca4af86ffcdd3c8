import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { app } from "../bed/bed.mjs";

export const cases = (get) => {
  /** A page at rest that shows hooks of filled posts. */
  const opened = async (path, settings, ...shows) => {
    const bed = get();
    bed.fill("posts");
    const page = await bed.open(path, settings);
    for (const [hook, text] of shows) await page.shows(hook, text);
    if (settings?.liveMode != "off") await page.state("live");
    await bed.api.quiet();
    bed.api.clear();
    if (!path.includes("last")) await page.forget(); // what the cases before had told a moment ago
    return [bed, page];
  };
  /** Changes a record and has it told by a plain NATS client. */
  const change = async (bed, id, title, ...more) => {
    bed.api.set("posts", id, { title });
    await bed.nats.tell("posts", "updated", id, ...more);
  };

  describe("liveMode", () => {
    test("off: no connection, no reads", async () => {
      const [bed, page] = await opened("/hooks?hooks=useList,useOne", { liveMode: "off" }, ["useOne", "posts 1"]);
      await change(bed, 1, "changed");
      await bed.api.quiet();
      assert.deepEqual([page.frames, bed.api.reads, (await page.log()).states], [[], [], []]);
    });

    test("manual: onLiveEvent of hook and <Refine>, no reads", async () => {
      const [bed, page] = await opened("/hooks?hooks=useList,useOne", { liveMode: "manual" }, ["useOne", "posts 1"]);
      await change(bed, 1, "changed", { price: 5 });
      await page.page.waitForFunction(() => window.bed.log.events.length == 4);
      await bed.api.quiet();
      const { events } = await page.log();
      assert.deepEqual(events.map((e) => e.who).sort(), ["Refine", "Refine", "useList", "useOne"]);
      for (const { type, payload, date } of events) assert.deepEqual([type, payload, !!Date.parse(date)], ["updated", { price: 5, ids: ["1"] }, true]);
      assert.deepEqual(bed.api.reads, []);
    });

    test("auto: both; and a hook's own liveMode wins", async () => {
      const [bed, page] = await opened("/hooks?hooks=useList,useOne", { liveMode: "off", hook: { liveMode: "auto" } }, ["useOne", "posts 1"]);
      await page.state("live");
      await bed.api.quiet();
      bed.api.clear();
      await change(bed, 1, "changed");
      for (const hook of ["useList", "useOne"]) await page.shows(hook, "changed");
      assert.equal((await page.log()).events.length, 4);
      await bed.api.quiet();
      assert.equal(bed.api.reads.length, 2);
    });
  });

  describe("useSubscription", () => {
    test("gets every event, in order, at once", async () => {
      const [bed, page] = await opened("/subscription?channel=resources/posts", {}, ["subscription", "0"]);
      for (let i = 0; i < 50; i++) bed.nats.send("posts", "updated", i, { i });
      bed.nats.send("comments", "updated", 1);
      await page.shows("subscription", "50");
      assert.deepEqual((await page.told("subscription")).map((e) => e.payload.i), [...Array(50).keys()]);
    });

    test("of certain types", async () => {
      const [bed, page] = await opened("/subscription?types=created,deleted", {}, ["subscription", "0"]);
      for (const type of ["updated", "created", "updated", "deleted"]) bed.nats.send("posts", type, 1);
      await page.shows("subscription", "2");
      assert.deepEqual((await page.told("subscription")).map((e) => e.type), ["created", "deleted"]);
    });

    test("with a replay", async () => {
      for (let i = 0; i < 5; i++) get().nats.send("feed", "updated", i);
      await get().nats.nc.flush();
      const [, page] = await opened('/subscription?channel=feed&params={"last":3}', {}, ["subscription", "3"]);
      assert.deepEqual((await page.told("subscription")).flatMap((e) => e.ids), ["2", "3", "4"]);
    });
  });

  test("StrictMode: one subscription on the wire, one read per query, nothing left behind", async () => {
    const bed = get();
    const production = bed.api.folder;
    bed.api.folder = await app(bed.dir, "development");
    try {
      const [, page] = await opened("/hooks?hooks=useList,useOne,useMany", { strict: true }, ["useOne", "posts 1"]);
      assert.deepEqual([page.sent("subscribe").length, page.sent("unsubscribe").length], [1, 0]);
      await change(bed, 1, "changed");
      for (const hook of ["useList", "useOne", "useMany"]) await page.shows(hook, "changed");
      await bed.api.quiet();
      assert.equal(bed.api.reads.length, 3);
      for (const _ of "12") await page.press("toggle");
      await page.shows("useOne", "changed");
      const { shown, errors } = await page.log();
      const mounts = shown.filter((s) => s.who == "useOne" && s.text == "changed").length;
      assert.equal(mounts, 3, "when it changed, and twice when it came again");
      await page.press("toggle");
      await page.state("closed");
      assert.deepEqual(errors, []);
    } finally {
      bed.api.folder = production;
    }
  });

  test("mounting and unmounting many times leaves one subscription", async () => {
    const [bed, page] = await opened("/hooks?hooks=useList,useOne", {}, ["useOne", "posts 1"]);
    for (let i = 0; i < 10; i++) await page.press("toggle");
    await bed.api.quiet(1500);
    assert.equal(page.sent("subscribe").length - page.sent("unsubscribe").length, 1);
    bed.api.clear();
    await change(bed, 1, "changed");
    await page.shows("useOne", "changed");
    await bed.api.quiet();
    assert.equal(bed.api.reads.length, 2);
  });

  describe("what is shown now", () => {
    test("after a change of route from 1 to 2", async () => {
      const [bed, page] = await opened("/posts/show/1", {}, ["show", "posts 1"]);
      await page.page.getByRole("link", { name: "2" }).click();
      await page.shows("show", "posts 2");
      await bed.api.quiet();
      bed.api.clear();
      await change(bed, 1, "not shown");
      await change(bed, 2, "changed");
      await page.shows("show", "changed");
      await bed.api.quiet();
      assert.deepEqual([bed.api.reads, (await page.told("show")).map((e) => e.ids)], [["posts/2"], [["2"]]]);
    });

    test("useMany from 1, 2 to 3, 4", async () => {
      const [bed, page] = await opened("/many", {}, ["many", "posts 1 | posts 2"]);
      await page.press("next");
      await page.shows("many", "posts 3 | posts 4");
      await bed.api.quiet();
      bed.api.clear();
      await change(bed, 1, "not shown");
      await change(bed, 4, "changed");
      await page.shows("many", "posts 3 | changed");
      await bed.api.quiet();
      assert.deepEqual(bed.api.reads, ["posts?3,4"]);
    });
  });

  describe("no update is lost in a read", () => {
    test("the first, nor a later one", async () => {
      const bed = get();
      bed.fill("posts");
      bed.api.delay = 1000;
      const page = await bed.open("/hooks?hooks=useList,useOne");
      await page.state("live");
      await page.page.waitForTimeout(100);
      await change(bed, 1, "during the first");
      for (const hook of ["useList", "useOne"]) await page.shows(hook, "during the first");
      await change(bed, 1, "starts a read");
      await page.page.waitForTimeout(300);
      await change(bed, 1, "during the second");
      for (const hook of ["useList", "useOne"]) await page.shows(hook, "during the second");
      await bed.api.quiet(1500);
      assert.equal(bed.api.failed, 0);
    });

    test("nor between a hook's first read and its subscription", async () => {
      const bed = get();
      bed.fill("posts");
      bed.net.cut(); // the connection takes long
      const page = await bed.open("/hooks?hooks=useList");
      await page.shows("useList", "posts 1");
      await change(bed, 1, "meanwhile");
      bed.net.mend();
      await page.page.evaluate(() => window.dispatchEvent(new Event("online")));
      await page.shows("useList", "meanwhile", 30_000);
    });
  });

  describe("the page's own changes", () => {
    test("come back as nothing: one read where the list is shown", async () => {
      const [bed, page] = await opened("/mutate", {}, ["useList", "posts 1"]);
      await page.press("update");
      await page.shows("useList", "mine");
      await page.page.waitForFunction(() => window.bed.client.cursor);
      await bed.api.quiet(500);
      assert.deepEqual([bed.api.reads, await page.told("useList")], [["posts"], []]);
      assert.ok(page.frames.some((f) => f.op == "event" && f.origin), "it was told all the same");
    });

    test("nor where the backend tells them, by the origin that the request carried", async () => {
      const bed = get();
      bed.api.tell = ({ resource, type, id, origin }) => void bed.nats.tell(resource, type, id, {}, origin ? { Origin: origin } : {});
      const [, page] = await opened("/mutate", { provider: { publish: false } }, ["useList", "posts 1"]);
      const [, other] = await opened("/mutate", { provider: { publish: false } }, ["useList", "posts 1"]);
      await page.press("update");
      for (const p of [page, other]) await p.shows("useList", "mine");
      await bed.api.quiet(500);
      assert.deepEqual([(await page.told("useList")).length, (await other.told("useList")).length], [0, 1]);
      assert.deepEqual([bed.api.reads.length, page.sent("publish").length, bed.api.writes.length], [2, 0, 1]);
    });

    test("unless asked for", async () => {
      const [, page] = await opened("/mutate", { provider: { echo: true } }, ["useList", "posts 1"]);
      await page.press("update");
      await page.page.waitForFunction(() => window.bed.log.events.some((e) => e.who == "useList"));
    });

    test("tell no parameter of the page's URL", async () => {
      const [bed, page] = await opened("/mutate?secret=s3cr3t", {}, ["useList", "posts 1"]);
      await page.press("update");
      await page.shows("useList", "mine");
      await page.page.waitForFunction(() => window.bed.client.cursor);
      await bed.api.quiet();
      assert.deepEqual(page.sent("publish").flatMap((f) => f.events.map((e) => e.meta)), [{ dataProviderName: "default" }]);
      assert.ok(!JSON.stringify(page.frames).includes("s3cr3t"));
    });
  });
};
