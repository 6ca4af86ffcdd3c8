// Prints what a live page costs and how fast it is, measured in Chromium against a bridge and a NATS started here.
import { startBed } from "./bed/bed.mjs";
import { burst, oneEvent, stream } from "./bed/measure.mjs";

const runs = Number(process.argv[2] ?? 3);
const bed = await startBed();
const labels = {
  reads: "reads",
  failed: "failed reads",
  arrived: "ms until the page had the last event",
  right: "ms until the last hook was right",
  behind: "changes behind at the last event",
};
const print = (what, results) => {
  const all = (key) => results.map((r) => r[key]).join(", ");
  console.log(what);
  for (const key of Object.keys(results[0])) console.log(`  ${labels[key].padEnd(40)}${all(key)}`);
};
const repeat = async (f, settings) => {
  const results = [];
  for (let i = 0; i < runs; i++) results.push(await f(bed, settings));
  return results;
};
try {
  console.log(`livebridge/refine in Chromium, ${runs} runs each\n`);
  print("one event, 14 hooks (15 queries) on a page", await repeat(oneEvent));
  print("the same without the QueryClient: Refine 5.0.12 by itself", await repeat(oneEvent, { queryClient: false }));
  print("burst of 1,000 events, 3 hooks", await repeat(burst));
  print("50 events/s for 4 s, 3 hooks, an API of 80 ms", await repeat(stream));
} finally {
  await bed.close();
}
