import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { burst, oneEvent, stream } from "../bed/measure.mjs";

// Counts are held exactly. Times depend on the machine: they are printed, and held to bounds that only a fault exceeds.
export const cases = (get) => {
  describe("numbers", () => {
    test("one event on a page with the 14 hooks: 15 reads", async (t) => {
      const result = await oneEvent(get());
      t.diagnostic(JSON.stringify(result));
      assert.equal(result.reads, 15);
    });

    test("a burst of 1,000 events, 3 hooks: at most 6 reads, and right soon after the last has come", async (t) => {
      const result = await burst(get());
      t.diagnostic(JSON.stringify(result));
      assert.ok(result.reads <= 6);
      assert.ok(result.right - result.arrived < 2000);
    });

    test("50 events a second for 4 s, an API of 80 ms: shown all the time, right soon after the last", async (t) => {
      const result = await stream(get());
      t.diagnostic(JSON.stringify(result));
      assert.ok(result.reads <= 150 && result.failed == 0);
      assert.ok(result.behind < 50);
      assert.ok(result.right < 2000);
    });
  });
};
