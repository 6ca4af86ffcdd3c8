import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fourteen } from "../bed/measure.mjs";
import { token } from "../bed/publisher.mjs";

/** Hooks that show one record or some by id: an event about another does not concern them. */
const byId = ["useOne", "useMany", "useForm", "useModalForm", "useDrawerForm", "useStepsForm", "useShow"];

export const cases = (get) => {
  describe("each hook shows the new value, and reads for nothing else", () => {
    for (const hook of [...fourteen, "useInfiniteList"])
      test(hook, async () => {
        const bed = get();
        bed.fill("posts");
        const page = await bed.open(`/hooks?hooks=${hook}`);
        await page.state("live");
        await page.shows(hook, "posts 1");
        await bed.api.quiet();
        bed.api.clear();
        await bed.nats.tell("comments", "updated", 1);
        if (byId.includes(hook)) await bed.nats.tell("posts", "updated", 3);
        bed.api.set("posts", 1, { title: "changed" });
        await bed.nats.tell("posts", "updated", 1);
        await page.shows(hook, "changed");
        await bed.api.quiet();
        assert.equal(bed.api.reads.length, hook == "useEditableTable" ? 2 : 1, String(bed.api.reads));
        // An event about no particular record concerns them all.
        bed.api.set("posts", 1, { title: "imported" });
        await bed.nats.tell("posts", "imported");
        await page.shows(hook, "imported");
        const log = await page.log();
        assert.deepEqual([log.errors, page.sent("subscribe").length], [[], 1]);
        for (const e of log.events) assert.ok(!Number.isNaN(Date.parse(e.date)) && Array.isArray(e.ids), JSON.stringify(e));
      });
  });

  test("events published as a service in any language would: subject alone, with a body, as a batch", async () => {
    const bed = get();
    bed.fill("posts");
    const page = await bed.open("/hooks?hooks=useMany,useOne", { provider: { window: 0 } });
    await page.state("live");
    await page.shows("useMany", "posts 2");
    await bed.api.quiet();
    await page.forget();
    bed.nats.nc.publish("live.posts.updated.1");
    for (const id of [1, 2, 3]) bed.nats.send("posts", "moved", id, { shelf: 5 }, { Batch: "b1", Meta: '{"by":"me"}', Date: "2026-01-02T03:04:05Z" });
    bed.nats.nc.publish("live.posts.updated.2", "no JSON");
    await page.page.waitForFunction(() => window.bed.log.events.filter((e) => e.who == "useMany").length >= 3);
    const told = (await page.told("useMany")).map((e) => [e.type, e.payload, e.meta.by]);
    assert.deepEqual(told, [
      ["updated", { ids: ["1"] }, undefined],
      ["moved", { shelf: 5, ids: ["1", "2", "3"] }, "me"],
      ["updated", { ids: ["2"] }, undefined],
    ]);
    assert.equal((await page.told("useMany"))[1].date, "2026-01-02T03:04:05.000Z");
    assert.deepEqual((await page.told("useOne")).map((e) => e.ids.length), [1, 3]);
    assert.deepEqual((await page.log()).errors, []);
  });

  describe("odd ids and resources", () => {
    const ids = ["a.b", "a b", "*", ">", "a/b", "ä→日本", "_", "%41", "https://x.y/z?q=1#f", "'\"\\", "x".repeat(200), "0", "-1", "a.*.>"];

    test("are shown, each alone", async () => {
      const bed = get();
      const resource = "blog/posts.v2";
      bed.fill(resource, [...ids, 0]);
      for (const id of [...ids, 0]) {
        const page = await bed.open(`/hooks?hooks=useOne&resource=${encodeURIComponent(resource)}&id=${encodeURIComponent(JSON.stringify(id))}`);
        await page.state("live");
        await page.shows("useOne", `${resource} ${id}`);
        await bed.api.quiet(100);
        await page.forget();
        bed.api.clear();
        for (const other of ids) if (other != String(id)) bed.nats.send(resource, "updated", other);
        bed.api.set(resource, id, { title: "changed" });
        await bed.nats.tell(resource, "updated", id);
        await page.shows("useOne", "changed");
        assert.equal(bed.api.reads.length, 1, `${id}: ${bed.api.reads}`);
        assert.deepEqual((await page.told("useOne")).map((e) => e.ids), [[String(id)]]);
        await page.close();
        bed.api.set(resource, id, { title: `${resource} ${id}` });
      }
    });

    test("leave the page as Refine gave them", async () => {
      const bed = get();
      const heard = [];
      const sub = bed.nats.nc.subscribe("live.jobs.>", { callback: (_, m) => heard.push(m) });
      await bed.nats.nc.flush();
      const page = await bed.open("/subscription?channel=jobs&secret=s3cr3t");
      await page.state("live");
      await page.press("publish");
      await page.shows("subscription", "1");
      sub.unsubscribe();
      assert.deepEqual(heard.map((m) => m.subject), [`live.jobs.done.${token("a b")}`, "live.jobs.done.7"]);
      for (const m of heard) {
        assert.deepEqual(m.json(), { ids: ["a b", 7], n: 5 });
        assert.equal(m.headers.get("Live-Date"), "1970-01-01T00:00:00Z");
        assert.ok(m.headers.get("Live-Origin"));
        assert.ok(!String(m.headers).includes("s3cr3t"));
      }
    });
  });

  test("a resource with an identifier of its own", async () => {
    const bed = get();
    bed.fill("catalog");
    const page = await bed.open("/hooks?hooks=useList,useOne&resource=catalog-eu");
    await page.state("live");
    await page.shows("useOne", "catalog 1");
    await bed.api.quiet();
    bed.api.clear();
    bed.api.set("catalog", 1, { title: "changed" });
    await bed.nats.tell("catalog", "updated", 1);
    for (const hook of ["useList", "useOne"]) await page.shows(hook, "changed");
    await bed.api.quiet();
    assert.deepEqual(bed.api.reads.sort(), ["catalog", "catalog/1"]);
  });
};
