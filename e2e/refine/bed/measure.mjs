// What the numbers are; the tests hold them to their bounds, `npm run numbers` prints them.
export const fourteen = [
  "useList", "useOne", "useMany", "useForm", "useModalForm", "useDrawerForm", "useStepsForm",
  "useTable", "useEditableTable", "useSimpleList", "useShow", "useCheckboxGroup", "useSelect", "useRadioGroup",
];
const three = ["useList", "useOne", "useMany"];

/** Opens hooks that show record 1 of a filled resource and waits until they are live and at rest. */
async function opened(bed, hooks, settings) {
  bed.fill("posts");
  const page = await bed.open(`/hooks?hooks=${hooks}`, settings);
  await page.state("live");
  for (const hook of hooks) await page.shows(hook, "posts 1");
  await bed.api.quiet(500);
  bed.api.clear();
  return page;
}
/** When the last of the hooks showed a text, ms since 1970. */
async function allShow(page, hooks, text, timeout = 20_000) {
  const times = [];
  for (const hook of hooks) {
    await page.shows(hook, text, timeout);
    times.push(await page.shownAt(hook, text));
  }
  return Math.max(...times);
}

/** One event on a page with the 14 hooks (15 queries: the editable table has two): reads, and ms until the last hook shows it. */
export async function oneEvent(bed, settings) {
  const page = await opened(bed, fourteen, settings);
  bed.api.set("posts", 1, { title: "changed" });
  const start = Date.now();
  await bed.nats.tell("posts", "updated", 1);
  const end = await allShow(page, fourteen, "changed");
  await bed.api.quiet(500);
  await page.close();
  return { reads: bed.api.reads.length, right: end - start };
}

/**
 * 1,000 events in one burst, each a change of record 1, on a page with three hooks: reads, when the page had got the last event, and when the last hook was right.
 * NATS may hand over the first few some 200 ms before the rest, which it is storing: those are two bursts, and it is done again.
 */
export async function burst(bed, settings) {
  let result;
  for (let tries = 5; tries-- && !result?.whole; ) result = await once(bed, settings);
  const { whole, ...rest } = result;
  return rest;
}

async function once(bed, settings) {
  const page = await opened(bed, three, settings);
  await page.page.evaluate(() => {
    window.arrivals = [];
    window.bed.client.subscribe({ resource: "posts" }, () => window.arrivals.push(Date.now()));
  });
  const start = Date.now();
  for (let i = 0; i < 1000; i++) {
    bed.api.set("posts", 1, { title: `v${i};` });
    bed.nats.send("posts", "updated", 1);
  }
  await bed.nats.nc.flush();
  const end = await allShow(page, three, "v999;");
  await page.page.waitForFunction(() => window.arrivals.length == 1000);
  const arrivals = await page.page.evaluate(() => window.arrivals);
  const arrived = arrivals.at(-1);
  const whole = arrivals[25] - arrivals[0] < 50 && arrived - arrivals[0] < 280; // more than 20 at once, the rest within a window of 300 ms
  await bed.api.quiet(500);
  await page.close();
  return { reads: bed.api.reads.length, arrived: arrived - start, right: end - start, whole };
}

/** 50 events a second for 4 s, and an API that takes 80 ms: reads, how many changes the page was behind at the last, and when it was right after that. */
export async function stream(bed, settings) {
  const page = await opened(bed, three, settings);
  bed.api.delay = 80;
  const start = Date.now();
  for (let i = 0; i < 200; i++) {
    await new Promise((done) => setTimeout(done, Math.max(0, start + i * 20 - Date.now())));
    bed.api.set("posts", 1, { title: `v${i};` });
    bed.nats.send("posts", "updated", 1);
  }
  const last = Date.now();
  const at = Number((await page.text("useOne")).slice(1, -1));
  const end = await allShow(page, three, "v199;");
  await bed.api.quiet(500);
  bed.api.delay = 0;
  await page.close();
  return { reads: bed.api.reads.length, failed: bed.api.failed, behind: 199 - at, right: end - last };
}
