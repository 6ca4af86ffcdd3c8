// A bridge that asks for tokens, and pages that get theirs from the API, a few seconds long each.
import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { join } from "node:path";
import { network } from "../bed/network.mjs";
import { bridge } from "../bed/processes.mjs";
import { publisher } from "../bed/publisher.mjs";
import { through } from "./outages.mjs";

const LIFE = 6; // s; the client renews after three quarters of it
const OVER = (LIFE + 10) * 1000; // ms within which a token that was good a moment ago is over, and the page shows it

const until = async (what) => {
  for (const end = Date.now() + OVER; !(await what()); await new Promise((done) => setTimeout(done, 20))) assert.ok(Date.now() < end, `not within ${OVER} ms: ${what}`);
};
const base64url = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

export const cases = (get) => {
  describe("with a bridge that asks for tokens", () => {
    const secret = randomBytes(32).toString("hex");
    let bed, guarded;

    /** What a backend does: a JWT of `life` seconds that allows this. */
    const mint = (live = { subscribe: [">"], publish: [">"] }, life = LIFE) => {
      const text = `${base64url({ alg: "HS256", typ: "JWT" })}.${base64url({ sub: "ada", exp: Date.now() / 1000 + life, live })}`;
      return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
    };
    /** What the bridge said to each token that it took. */
    const connected = (page) => page.frames.filter((f) => f.way == "received" && f.op == "connected");
    const renewed = (page, times) => until(() => connected(page).length >= times);

    before(async () => {
      const file = join(get().dir, "jwt.secret");
      writeFileSync(file, secret, { mode: 0o600 });
      guarded = await bridge(get().program, { dir: join(get().dir, "guarded"), flags: ["--jwt-secret-file", file] });
      await guarded.start();
      bed = Object.assign(Object.create(get()), { net: await network(guarded.port), nats: await publisher(guarded.nats) });
    });
    after(async () => {
      bed?.net.close();
      await bed?.nats.close();
      await guarded?.stop("SIGKILL");
    });

    test("a token is renewed on the open socket before it expires", async () => {
      bed.api.token = mint;
      let checks;
      const { states } = await through(
        bed,
        async ({ page, feed, tell }) => {
          const before = [page, feed].map((p) => connected(p).length);
          const { connections } = bed.net;
          for (let i = 0; i < 3; i++) {
            await renewed(page, before[0] + i);
            await renewed(feed, before[1] + i);
            await tell();
            await page.shows("useOne", `missed ${i};`);
          }
          checks = async () => {
            assert.equal(bed.net.connections, connections);
            assert.ok(bed.api.asked.length >= 4 && bed.api.asked.every((why) => why == "expiring"), String(bed.api.asked));
            for (const [i, p] of [page, feed].entries()) {
              const of = connected(p).slice(before[i] - 1);
              assert.ok(Date.parse(of[0].expires) < Date.now(), "the first token is over");
              assert.equal(new Set(of.map((c) => c.session)).size, 1);
              const { states, closed } = await p.log();
              assert.deepEqual([states, closed], [[], []]);
            }
          };
          await checks();
        },
        3,
        { tokens: true },
      );
      await checks();
      assert.deepEqual(states, []);
    });

    /** The pages' tokens expire while the API answers `status`; f is told when the pages say `state`, before the API mints again. */
    const expire = (status, state, expected, f) =>
      through(
        bed,
        async ({ page, feed, tell }) => {
          bed.api.token = () => status;
          await tell();
          await page.shows("useOne", "missed 0;");
          for (const p of [page, feed]) {
            await until(async () => (await p.log()).closed.length);
            await p.state(state, OVER);
            const { closed, errors } = await p.log();
            assert.equal(closed[0], 4401);
            assert.ok(errors.some((e) => expected.test(e)), String(errors));
          }
          await until(() => bed.api.asked.includes("refused"));
          for (let i = 0; i < 2; i++) await tell();
          assert.equal(await page.text("useOne"), "missed 0;");
          bed.api.token = mint;
          const subscribed = [page, feed].map((p) => p.sent("subscribe").length);
          await f?.({ page, feed });
          for (const [i, p] of [page, feed].entries()) {
            await p.state("live", 30_000);
            const again = p.sent("subscribe").slice(subscribed[i]).filter((s) => s.resource != "jobs");
            assert.ok(again.length && again.every((s) => s.after), JSON.stringify(again));
          }
        },
        3,
        { tokens: true },
        expected,
      );

    test("the API cannot give a fresh one: offline at expiry, and back by itself when it can", async () => {
      bed.api.token = mint;
      await expire(503, "offline", /^failed: .*no token: HTTP 503/);
    });

    test("nobody is signed in any more: closed for good at expiry, and back with the next subscription after signing in", async () => {
      bed.api.token = mint;
      await expire(401, "closed", /^unauthorized: /, async ({ page, feed }) => {
        for (const p of [page, feed]) assert.equal(await p.page.evaluate(() => window.bed.client.state), "closed");
        // What a hook does that mounts when the user has signed in: one subscribes to something new, one to what there is already.
        await page.page.evaluate(() => void window.bed.client.subscribe({ resource: "jobs" }, () => {}));
        await feed.page.evaluate(() => void window.bed.client.subscribe({ resource: "posts" }, () => {}));
      });
    });

    test("a resource that the token does not cover: refused, the rest of the page lives, and it is live once a token covers it", async () => {
      bed.api.token = () => mint({ subscribe: ["posts.>"] });
      for (const resource of ["posts", "comments"]) bed.fill(resource);
      const page = await bed.open("/hooks?hooks=useList,useTable:comments", { url: bed.net.ws, tokens: true });
      await page.state("live");
      for (const [hook, text] of [["useList", "posts 1"], ["useTable", "comments 1"]]) await page.shows(hook, text);
      await bed.api.quiet();
      bed.api.clear();
      for (const resource of ["comments", "posts"]) {
        bed.api.set(resource, 1, { title: `changed ${resource}` });
        await bed.nats.tell(resource, "updated", 1);
      }
      await page.shows("useList", "changed posts");
      await bed.api.quiet();
      const { errors, events } = await page.log();
      assert.equal(errors.length, 1, String(errors));
      assert.match(errors[0], /^forbidden: /);
      assert.deepEqual([bed.api.reads, events.filter((e) => e.who == "useTable")], [["posts"], []]);
      assert.match(await page.text("useTable"), /comments 1/);
      // The next token covers it; the hook is told of nothing before it comes again.
      bed.api.token = mint;
      const { length } = bed.api.asked;
      await until(() => bed.api.asked.length > length);
      await renewed(page, connected(page).length + 1);
      for (let i = 0; i < 2; i++) await page.press("toggle");
      await page.shows("useTable", "changed comments");
      await until(() => page.frames.filter((f) => f.way == "received" && f.op == "live").length == 3);
      bed.api.set("comments", 1, { title: "told" });
      await bed.nats.tell("comments", "updated", 1);
      await page.shows("useTable", "told");
      const log = await page.log();
      assert.deepEqual([log.errors.length, log.closed], [1, []]);
    });
  });
};
