import assert from "node:assert/strict";
import { describe, test } from "node:test";

export const cases = (get) => {
  const opened = async (path, hook, settings) => {
    const bed = get();
    bed.fill("posts");
    bed.api.clear();
    const page = await bed.open(path, settings);
    if (hook) {
      await page.state("live");
      await page.shows(hook, "posts 1");
    }
    await bed.api.quiet();
    await page.forget();
    return [bed, page];
  };
  const change = async (bed, id, values) => {
    bed.api.set("posts", id, values);
    await bed.nats.tell("posts", "updated", id);
  };

  describe("forms", () => {
    test("edit 1, save, edit 2 in a modal", async () => {
      const [bed, page] = await opened("/modal");
      await page.press("edit-1");
      await page.shows("modal", "posts 1");
      await page.field("modal").fill("saved");
      await page.page.locator(".ant-modal .ant-btn-primary").click();
      await page.page.locator(".ant-modal").waitFor({ state: "hidden" });
      assert.equal(bed.api.get("posts", 1).title, "saved");
      await page.press("edit-2");
      await page.shows("modal", "posts 2");
      await bed.api.quiet();
      bed.api.clear();
      await change(bed, 2, { title: "changed" });
      await page.shows("modal", "changed");
      assert.equal(await page.field("modal").inputValue(), "changed");
      await bed.api.quiet();
      assert.deepEqual(bed.api.reads, ["posts/2"]);
    });

    for (const [who, settings] of [
      ["the page tells", {}],
      ["the backend tells", { provider: { publish: false } }],
    ])
      test(`typing with autosave, ${who}: field and database hold what was typed`, async () => {
        const bed = get();
        if (settings.provider) bed.api.tell = ({ resource, type, id, origin }) => void bed.nats.tell(resource, type, id, {}, { Origin: origin });
        const [, page] = await opened("/posts/edit/1?autosave=1", "edit", settings);
        const typed = "abcdefghijklmnopqrst";
        await page.field("edit").press("End");
        await page.field("edit").pressSequentially(typed, { delay: 60 });
        await bed.api.quiet(500);
        assert.deepEqual([await page.field("edit").inputValue(), bed.api.get("posts", 1).title], [`posts 1${typed}`, `posts 1${typed}`]);
        assert.ok(bed.api.writes.length > 2, "it was saved while typing");
        assert.ok(page.frames.filter((f) => f.op == "event").length >= bed.api.writes.length, "each save was told");
      });

    test("a form being filled in is held, and let go", async () => {
      const [bed, page] = await opened("/posts/edit/1?hold=1", "edit");
      await page.field("edit").fill("half typ");
      bed.api.clear();
      await change(bed, 1, { note: "by another" });
      await page.page.waitForFunction(() => window.bed.log.events.some((e) => e.who == "edit"));
      await bed.api.quiet(700);
      assert.deepEqual([await page.field("edit").inputValue(), await page.field("edit", "note").inputValue(), bed.api.reads], ["half typ", "n", []]);
      await page.press("reset");
      await page.page.waitForFunction(() => document.querySelector('[data-field="note"]').value == "by another");
      assert.equal(await page.field("edit").inputValue(), "posts 1");
      await bed.api.quiet();
      assert.deepEqual(bed.api.reads, ["posts/1"]);
    });

    test("a held form that is saved shows what others changed", async () => {
      const [bed, page] = await opened("/posts/edit/1?hold=1", "edit");
      await page.field("edit").fill("mine");
      await change(bed, 1, { note: "by another" });
      await page.page.waitForFunction(() => window.bed.log.events.some((e) => e.who == "edit"));
      bed.api.tell = () => bed.api.set("posts", 1, { note: "by another" }); // a backend that merges
      await page.press("save");
      await page.page.waitForFunction(() => document.querySelector('[data-field="note"]').value == "by another");
      assert.equal(await page.field("edit").inputValue(), "mine");
    });
  });
};
