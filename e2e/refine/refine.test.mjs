// Everything of Refine that is live, in Chromium, against a bridge with NATS inside (and for outages, a NATS server beside it).
import assert from "node:assert/strict";
import { after, afterEach, before, describe } from "node:test";
import { startBed } from "./bed/bed.mjs";
import * as forms from "./cases/forms.mjs";
import * as hooks from "./cases/hooks.mjs";
import * as numbers from "./cases/numbers.mjs";
import * as outages from "./cases/outages.mjs";
import * as provider from "./cases/provider.mjs";
import * as tokens from "./cases/tokens.mjs";

let bed;
before(async () => {
  bed = await startBed();
});
after(async () => {
  await bed?.close();
});
afterEach(async (t) => {
  if (t.passed === false || t.error) await bed.browser.shoot(t.fullName ?? t.name);
  for (const page of bed.browser.context.pages()) await page.close();
  bed.api.delay = 0;
  bed.api.tell = bed.api.token = undefined;
  assert.deepEqual(bed.browser.outside, [], "a page asked for something that is not on this machine");
});

describe("refine", { concurrency: 1, timeout: 600_000 }, () => {
  for (const { cases } of [hooks, provider, forms, outages, tokens, numbers]) cases(() => bed);
});
