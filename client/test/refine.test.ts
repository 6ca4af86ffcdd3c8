// The live provider against a scripted bridge, in virtual time, with the real client and a real QueryClient.
// `use` does what Refine's useResourceSubscription does in @refinedev/core 5.0.12.
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, mock, test } from "node:test";
import type { LiveEvent as RefineEvent } from "@refinedev/core";
import { QueryClient, QueryObserver } from "@tanstack/react-query";
import { createClient } from "../src/client.js";
import { liveProvider, originHeaders, withOrigin, type LiveProviderOptions } from "../src/refine.js";
import type { Client } from "../src/types.js";
import { FakeSocket, event, newest, of, pass, settle, sockets } from "./fake.js";

let client: Client;
let queryClient: QueryClient;
let live: ReturnType<typeof liveProvider>;
let warnings: string[];
/** How often each query was read: "one 1", "list". */
let reads: Record<string, number>;
/** How long, in ms, the REST API takes. */
let delay: number;
let aborted: number;

const provide = (options: LiveProviderOptions = {}) => (live = liveProvider(client, options));
const answer = async () => {
  await settle();
  newest().subscribed();
  await settle();
};
const connect = async () => {
  await settle();
  newest().accept();
  await answer();
};
const say = async (...events: object[]) => {
  newest().say(...events.map((e) => event(e)));
  await pass(0);
};

interface Use {
  resource?: string;
  identifier?: string;
  type?: "useOne" | "useMany" | "useList";
  id?: string | number;
  ids?: (string | number)[];
  mode?: "auto" | "manual";
  params?: object;
  meta?: object;
  onLiveEvent?: (event: RefineEvent) => void;
}
/** A data hook that subscribes: what it was told, and how it leaves. */
const use = ({ resource = "products", identifier = resource, type = "useList", id, ids, mode = "auto", params, meta, onLiveEvent }: Use = {}) => {
  const told: RefineEvent[] = [];
  const handle = live.subscribe({
    channel: `resources/${resource}`,
    types: ["*"],
    params: {
      resource,
      ...(type == "useOne" ? { ids: id ? [id] : [], id } : type == "useMany" ? { ids: ids ?? [] } : { pagination: {} }),
      meta: { secret: "in the URL" },
      subscriptionType: type,
      ...params,
    } as never,
    meta: { ...meta, dataProviderName: "default" },
    callback: (event) => {
      told.push(event);
      if (mode == "auto")
        queryClient?.invalidateQueries({
          queryKey: ["data", "default", identifier],
          type: "active",
          refetchType: "active",
          cancelRefetch: false,
        } as never);
      onLiveEvent?.(event);
    },
  });
  return { told, ids: () => told.map((e) => e.payload.ids!.join() || "*"), leave: () => live.unsubscribe(handle), handle };
};
const list = (resource = "products") => query([resource, "list", {}], resource == "products" ? "list" : resource);
const one = (id: string | number, resource = "products") => query([resource, "one", id ? String(id) : undefined, {}], "one " + id);
const many = (...ids: unknown[]) => query(["products", "many", ids.map(String), {}], "many " + ids);
/** An active query; the returned function is its component leaving the page. */
const query = (key: unknown[], name: string) =>
  new QueryObserver(queryClient, {
    queryKey: ["data", "default", ...key],
    retry: false,
    queryFn: ({ signal }) => {
      reads[name] = (reads[name] ?? 0) + 1;
      signal.addEventListener("abort", () => aborted++);
      return new Promise((done) => setTimeout(done, delay, {}));
    },
  }).subscribe(() => {});
/** Lets the first reads pass and forgets them. */
const shown = async () => {
  await pass(delay);
  await pass(0);
  reads = {};
};

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000_000_000 });
  sockets.length = 0;
  [warnings, reads, delay, aborted] = [[], {}, 0, 0];
  mock.method(console, "warn", (...words: unknown[]) => warnings.push(words.join(" ")));
  client = createClient({ url: "http://bridge.test", WebSocket: FakeSocket });
  queryClient = undefined as never;
  provide();
});
afterEach(() => {
  client.close();
  queryClient?.clear();
  mock.timers.reset();
  mock.restoreAll();
});

describe("subscribing", () => {
  test("is synchronous and asks once, for the whole resource and a little of the past, whatever hooks come", async () => {
    const hooks = [use(), use({ type: "useOne", id: 1 }), use({ type: "useMany", ids: [1, 2] })];
    assert.ok(hooks.every((h) => h.handle));
    live.subscribe({ channel: "products", types: ["*"], callback() {}, params: { subscriptionType: "useList" } });
    await connect();
    const [{ since, ...rest }, ...more] = of("subscribe");
    assert.deepEqual([rest, more], [{ op: "subscribe", sub: "0", resource: "products" }, []]);
    assert.match(since, /^-200\dms$/);
    for (const h of hooks) h.leave();
    await say({});
    assert.deepEqual(hooks.flatMap((h) => h.told), []);
  });

  test("starts where liveParams or meta say", async () => {
    use({ params: { last: 5 } });
    use({ params: { after: "c9" } });
    use({ meta: { since: "-1h" } });
    use({ params: { sort: undefined }, meta: { since: "-9h", secret: 1 } }); // useInfiniteList: its meta has the URL's parameters
    await connect();
    assert.deepEqual(
      of("subscribe").map(({ last, after, since }) => last ?? after ?? since.slice(0, 4)),
      [5, "c9", "-1h", "-200"],
    );
    assert.ok(!newest().sent.join().includes("secret"));
  });

  test("throws nothing, whatever it is given", () => {
    const nothing = undefined as never;
    for (const channel of [nothing, "", "resources/", "resources/undefined", 5] as string[])
      assert.ok(live.subscribe({ channel, types: ["*"], callback() {} }));
    assert.ok(live.subscribe({ channel: "products", types: nothing, callback: nothing, params: nothing, meta: nothing }));
    live.subscribe({ channel: nothing, types: nothing, callback: nothing });
    live.publish!({ channel: nothing, type: "updated", payload: nothing, date: nothing });
    for (const handle of [undefined, null, {}, Promise.resolve({}), 5]) live.unsubscribe(handle);
    const { leave } = use();
    leave();
    leave();
    assert.deepEqual(warnings, [
      'livebridge: no resource in "undefined"',
      'livebridge: no resource in ""',
      'livebridge: no resource in "resources/"',
      'livebridge: no resource in "resources/undefined"',
    ]);
  });

  test("in production warns of nothing, and tells onError always", () => {
    const told: unknown[] = [];
    process.env.NODE_ENV = "production";
    live.subscribe({ channel: "resources/undefined", types: [], callback() {} });
    provide({ onError: (e) => told.push(e) });
    live.subscribe({ channel: "", types: [], callback() {} });
    delete process.env.NODE_ENV;
    assert.deepEqual([warnings, told], [[], ['no resource in ""']]);
  });

  test("an argument of a wrong kind ends as an unhandled rejection", async () => {
    const rejected = mock.fn();
    const others = process.listeners("unhandledRejection");
    process.removeAllListeners("unhandledRejection").once("unhandledRejection", rejected);
    assert.ok(live.subscribe({ channel: "products", types: 5 as never, callback() {} }));
    await settle();
    for (const f of others) process.on("unhandledRejection", f);
    assert.equal(rejected.mock.callCount(), 1);
  });
});

describe("an event", () => {
  test("is what Refine documents: ids filled in, a real Date", async () => {
    const { told } = use();
    await connect();
    await say({ id: "42", payload: { price: 5 }, meta: { by: "me" }, cursor: "c7", origin: "backend" });
    const { meta, ...rest } = told[0]!;
    assert.deepEqual(rest, {
      channel: "resources/products",
      type: "updated",
      payload: { price: 5, ids: ["42"] },
      date: new Date("2026-11-25T14:00:00.123Z"),
    });
    assert.deepEqual([meta!.by, meta!.events.length, meta!.events[0].cursor, meta!.events[0].origin], ["me", 1, "c7", "backend"]);
  });

  test("has an object as payload, whatever it is", async () => {
    provide({ window: 0 });
    const { told } = use();
    await connect();
    await say({ payload: null }, { payload: 5 }, { payload: "x" }, { payload: [1] }, { payload: { ids: "odd" } });
    const ids = ["42"];
    assert.deepEqual(
      told.map((e) => e.payload),
      [{ ids }, { data: 5, ids }, { data: "x", ids }, { data: [1], ids }, { ids }],
    );
  });

  test("about several records is one", async () => {
    const { ids } = use({ type: "useMany", ids: [2] });
    await connect();
    await say({ id: "1", batch: "b" }, { id: "2", batch: "b" }, { id: "3", batch: "b" });
    await pass(20);
    assert.deepEqual(ids(), ["1,2,3"]);
  });

  test("reaches the hooks that it concerns; ids are compared as text, and 0 is one", async () => {
    provide({ window: 0 });
    const all = use();
    const some = use({ params: { ids: [2] } });
    const zero = use({ type: "useOne", id: 0 });
    const three = use({ type: "useOne", id: 3 });
    const four = use({ type: "useMany", ids: [3, "4"] });
    const none = use({ type: "useMany" });
    const orders = use({ resource: "orders" });
    await connect();
    await say({ id: "0" }, { id: "2" }, { id: "3" }, { id: "4" }, { id: "" });
    assert.deepEqual(
      [all, some, zero, three, four, none, orders].map((h) => h.ids()),
      [["0", "2", "3", "4", "*"], ["2", "*"], ["0", "*"], ["3", "*"], ["3", "4", "*"], ["*"], []],
    );
  });

  test("that this page caused is left out, unless asked for", async () => {
    const without = use();
    provide({ echo: true });
    const withEcho = use();
    await connect();
    await say({ origin: "s0" });
    await pass(100);
    await say({ origin: "s1" });
    assert.deepEqual([without.told.length, withEcho.told.length], [1, 2]);
  });

  test("whose callback throws is told to the others all the same", async () => {
    const rejected = mock.fn();
    const others = process.listeners("unhandledRejection");
    process.removeAllListeners("unhandledRejection").once("unhandledRejection", rejected);
    queryClient = new QueryClient();
    provide({ queryClient });
    const { invalidateQueries } = queryClient;
    use({
      onLiveEvent() {
        throw new Error("mine");
      },
    });
    const second = use();
    await connect();
    await say({});
    for (const f of others) process.on("unhandledRejection", f);
    assert.deepEqual([second.told.length, rejected.mock.callCount()], [1, 1]);
    assert.equal(queryClient.invalidateQueries, invalidateQueries);
  });

  test("lost for ever (reset) becomes one `*` per hook", async () => {
    const hooks = [use(), use({ type: "useOne", id: 1 }), use({ type: "useMany", ids: [1, 2] })];
    await connect();
    newest().drop();
    await pass(1000);
    newest().accept();
    await settle();
    for (const { sub } of of("subscribe"))
      newest().say({ op: "subscribed", sub, recovered: false, cursor: "c" }, { op: "reset", sub, reason: "stream", cursor: "c" });
    await pass(1000);
    for (const { told } of hooks) {
      assert.deepEqual(
        told.map(({ type, payload, date, meta }) => [type, payload, date instanceof Date, meta!.events[0].reason]),
        [["*", { ids: [] }, true, "stream"]],
      );
    }
  });
});

describe("many events", () => {
  const pour = (n: number, id = "1") => newest().say(...Array.from({ length: n }, () => event({ id })));
  const nothingMore = async (told: unknown[], ...times: number[]) => {
    for (const ms of times) {
      pour(100);
      await pass(ms);
      assert.equal(told.length, 1);
    }
  };

  test("the first of a window comes at once, the others as one at its end", async () => {
    const { told, ids } = use();
    await connect();
    await say({ id: "1" });
    assert.deepEqual(ids(), ["1"]);
    await say({ id: "2" }, { id: "3" });
    await say({ id: "2", cursor: "newest" });
    await pass(99);
    assert.deepEqual(ids(), ["1"]);
    await pass(1);
    assert.deepEqual(ids(), ["1", "2,3"]);
    assert.deepEqual([told[1]!.type, told[1]!.payload, told[1]!.meta!.events.length], ["updated", { ids: ["2", "3"] }, 3]);
    await say({ id: "4" });
    await pass(100);
    assert.deepEqual(ids(), ["1", "2,3", "4"]);
    await pass(100);
    await say({ id: "5" });
    assert.deepEqual(ids(), ["1", "2,3", "4", "5"]);
  });

  test("of different types, or one about everything, are told as that", async () => {
    const { told, ids } = use();
    await connect();
    await say({ id: "1" }, { id: "2", type: "deleted" });
    await pass(100);
    await say({ id: "1" }, { id: "" });
    assert.deepEqual([told.map((e) => e.type), ids()], [["*", "updated"], ["1,2", "*"]]);
  });

  test("in a storm are waited for a little longer", async () => {
    const { told, ids } = use();
    await connect();
    await say({ id: "0" });
    await nothingMore(told, 100, 100, 99);
    await pass(1);
    assert.deepEqual([ids(), told[1]!.meta!.events.length], [["0", "1"], 300]);
    pour(20);
    await pass(100);
    assert.equal(told.length, 3);
  });

  test("after many at once are waited for a little longer", async () => {
    const { told, ids } = use();
    await connect();
    pour(21);
    await pass(0);
    assert.equal(told.length, 1);
    await nothingMore(told, 200, 99);
    await pass(1);
    assert.deepEqual([ids(), told[1]!.meta!.events.length], [["1", "1"], 200]);
    pour(1);
    await pass(100);
    assert.equal(told.length, 3);
  });

  test("with window 0 come each by itself", async () => {
    provide({ window: 0 });
    const { ids } = use();
    await connect();
    await say({ id: "1" }, { id: "1" }, { id: "2" });
    await say({ id: "3" });
    assert.deepEqual(ids(), ["1", "1", "2", "3"]);
    for (let n = 0; n < 2; n++) pour(30, "4");
    await pass(1);
    assert.equal(ids().length, 64);
  });

  test("one that does not concern a hook opens no window", async () => {
    const { ids } = use({ type: "useOne", id: 1 });
    await connect();
    await say({ id: "2" });
    await say({ id: "1" });
    assert.deepEqual(ids(), ["1"]);
  });
});

describe("useSubscription", () => {
  const listen = (more: object = {}) => {
    const told: RefineEvent[] = [];
    live.subscribe({ channel: "products", types: ["*"], callback: (e) => told.push(e), ...more });
    return told;
  };

  test("gets every event at once, its own too, and a reset", async () => {
    const told = listen();
    await connect();
    newest().say(event({ id: "1" }), event({ id: "1", origin: "s0" }), event({ id: "2" }));
    newest().say({ op: "reset", sub: of("subscribe")[0].sub, reason: "limit", cursor: "c" });
    assert.deepEqual(
      told.map((e) => [e.channel, e.type, e.payload.ids]),
      [["products", "updated", ["1"]], ["products", "updated", ["1"]], ["products", "updated", ["2"]], ["products", "*", []]],
    );
  });

  test("chooses types, ids and a start on the wire", async () => {
    listen();
    listen({ types: ["created"], params: { ids: [1, 2], last: 3 } });
    listen({ params: { id: 0 }, meta: { since: "-15m" } });
    listen({ channel: "*" });
    await connect();
    assert.deepEqual(
      of("subscribe").map(({ op, sub, ...rest }) => rest),
      [
        { resource: "products" },
        { resource: "products", types: ["created"], ids: ["1", "2"], last: 3 },
        { resource: "products", ids: ["0"], since: "-15m" },
        { resource: "*" },
      ],
    );
  });
});

describe("with the app's QueryClient", () => {
  beforeEach(() => {
    queryClient = new QueryClient();
    provide({ queryClient });
  });

  test("one event has each query read once, however many hooks there are", async () => {
    [list(), one(1), one(2), one(0), many(1, 2), many(3), list("orders")];
    for (const type of ["useList", "useOne", "useMany"] as const) for (let i = 0; i < 5; i++) use({ type, id: 1, ids: [1, 2] });
    await shown();
    await connect();
    await say({ id: "1" });
    assert.deepEqual(reads, { list: 1, "one 1": 1, "many 1,2": 1 });
    await pass(100);
    reads = {};
    await say({ id: "0" });
    assert.deepEqual(reads, { list: 1, "one 0": 1 });
    await pass(100);
    reads = {};
    await say({ id: "" });
    assert.deepEqual(reads, { list: 1, "one 1": 1, "one 2": 1, "one 0": 1, "many 1,2": 1, "many 3": 1 });
  });

  test("leaves the QueryClient as it was, and a call that is not Refine's alone", async () => {
    list();
    const seen: unknown[] = [];
    const { invalidateQueries } = queryClient;
    use({ onLiveEvent: () => seen.push(queryClient.invalidateQueries == invalidateQueries, queryClient.invalidateQueries({ queryKey: ["mine"] })) });
    await shown();
    await connect();
    await say({});
    assert.equal(queryClient.invalidateQueries, invalidateQueries);
    assert.equal(seen[0], false);
    assert.equal(await seen[1], undefined);
  });

  test("in manual mode reads nothing", async () => {
    list();
    const { told } = use({ mode: "manual" });
    await shown();
    await connect();
    await say({});
    assert.deepEqual([told.length, reads], [1, {}]);
  });

  describe("while a read is under way", () => {
    beforeEach(() => (delay = 1000));

    test("it is finished and then repeated, once", async () => {
      list();
      use();
      await shown();
      await connect();
      await say({});
      await pass(300);
      for (let i = 0; i < 5; i++) {
        await say({}, {});
        await pass(100);
      }
      assert.deepEqual([reads, aborted], [{ list: 1 }, 0]);
      for (let i = 0; i < 20; i++) await pass(20);
      assert.deepEqual([reads, aborted], [{ list: 2 }, 0]);
      await pass(5000);
      await pass(5000);
      assert.deepEqual(reads, { list: 2 });
    });

    test("even the very first, however long it takes", async () => {
      delay = 20_000;
      list();
      use();
      await connect();
      await say({});
      await pass(6000);
      await pass(6000);
      assert.deepEqual(reads, { list: 1 });
      await pass(8000);
      delay = 0;
      await pass(20);
      await pass(0);
      assert.deepEqual([reads, aborted], [{ list: 2 }, 0]);
    });

    test("one that does not end is started over after 5 s", async () => {
      list();
      use();
      await shown();
      await connect();
      delay = 60_000;
      await say({});
      await pass(200);
      await say({});
      await pass(4990);
      assert.deepEqual([reads, aborted], [{ list: 1 }, 0]);
      for (let i = 0; i < 3; i++) await pass(20);
      assert.deepEqual([reads, aborted], [{ list: 2 }, 1]);
    });

    test("no other query waits for it", async () => {
      list();
      use();
      await shown();
      delay = 3000;
      one(1);
      use({ type: "useOne", id: 1 });
      await connect();
      delay = 0;
      await say({ id: "1" });
      assert.deepEqual(reads, { "one 1": 1, list: 1 });
    });

    test("a query that left the page meanwhile is not read again", async () => {
      const close = list();
      use();
      await shown();
      await connect();
      await say({});
      await pass(100);
      await say({});
      close();
      await pass(2000);
      await pass(20);
      assert.deepEqual(reads, { list: 1 });
    });
  });

  describe("what counts is what is shown now", () => {
    test("after a change of route from 1 to 2", async () => {
      let close = one(1);
      const { ids } = use({ type: "useOne", id: 1 });
      await shown();
      await connect();
      close();
      close = one(2);
      await shown();
      await say({ id: "2" });
      await say({ id: "1" });
      await pass(100);
      assert.deepEqual([ids(), reads], [["2"], { "one 2": 1 }]);
    });

    test("edit 1, save, edit 2 in a modal over a page that goes on showing 1", async () => {
      one(1);
      list();
      const page = use({ type: "useOne", id: 1 });
      const modal = use({ type: "useOne", id: 1 });
      one(2);
      await shown();
      await connect();
      await say({ id: "2" });
      await say({ id: "1" });
      await pass(100);
      assert.deepEqual(reads, { "one 2": 1, "one 1": 1, list: 2 });
      assert.deepEqual([page.ids(), modal.ids()], [["2", "1"], ["2", "1"]]);
    });

    test("a record that another hook asked for is that hook's", async () => {
      [one(1), one(2)];
      const [first, second] = [use({ type: "useOne", id: 1 }), use({ type: "useOne", id: 2 })];
      await shown();
      await connect();
      await say({ id: "1" });
      await say({ id: "2" });
      await pass(100);
      assert.deepEqual([first.ids(), second.ids(), reads], [["1"], ["2"], { "one 1": 1, "one 2": 1 }]);
    });

    test("useMany from 1, 2 to 3, 4", async () => {
      const close = many(1, 2);
      const { ids } = use({ type: "useMany", ids: [1, 2] });
      close();
      many(3, 4);
      await shown();
      await connect();
      await say({ id: "1" });
      await say({ id: "4" });
      assert.deepEqual([ids(), reads], [["4"], { "many 3,4": 1 }]);
    });

    test("where the resource has another identifier than its name", async () => {
      one(2, "my products");
      const { ids } = use({ type: "useOne", id: 1, identifier: "my products" });
      await shown();
      await connect();
      await say({ id: "2" });
      assert.deepEqual([ids(), reads], [["2"], { "one 2": 1 }]);
    });

    test("not the record of the same id in another resource", async () => {
      [one(1, "orders"), one(5)];
      use({ type: "useOne", id: 1, resource: "orders" });
      const { ids } = use({ type: "useOne", id: 5 });
      await shown();
      await connect();
      await say({ id: "1" });
      assert.deepEqual([ids(), reads], [[], {}]);
    });
  });

  describe("a hold", () => {
    test("keeps a form from being read again until it is let go; the hook is told at once", async () => {
      [list(), one(1), one(2)];
      let dirty = true;
      use();
      use({ type: "useOne", id: 2 });
      const form = use({ type: "useOne", id: 1, params: { hold: () => dirty } });
      await shown();
      await connect();
      await say({ id: "1" }, { id: "2" });
      assert.deepEqual([form.ids(), reads], [["1"], { list: 1, "one 2": 1 }]);
      await pass(60_000);
      assert.deepEqual(reads, { list: 1, "one 2": 1 });
      dirty = false;
      await pass(20);
      await pass(0);
      assert.deepEqual(reads, { list: 1, "one 2": 1, "one 1": 1 });
    });

    test("of a list holds the lists", async () => {
      [list(), one(1)];
      let editing = true;
      use({ params: { hold: () => editing } });
      await shown();
      await connect();
      await say({ id: "1" });
      assert.deepEqual(reads, { "one 1": 1 });
      editing = false;
      await pass(20);
      await pass(0);
      assert.deepEqual(reads, { "one 1": 1, list: 1 });
    });

    test("ends with its hook", async () => {
      one(1);
      const form = use({ type: "useOne", id: 1, params: { hold: () => true } });
      await shown();
      await connect();
      await say({ id: "1" });
      assert.deepEqual(reads, {});
      form.leave();
      await pass(20);
      await pass(0);
      assert.deepEqual(reads, { "one 1": 1 });
    });
  });
});

describe("publishing", () => {
  const told = { channel: "resources/products", type: "updated", payload: { ids: [42] }, date: new Date(5) };

  test("sends what Refine's mutations tell, without the page's URL parameters; unbound, too", async () => {
    provide({ meta: ["dataProviderName", "tenantId"] });
    const { publish } = live;
    assert.equal(publish!({ ...told, meta: { dataProviderName: "default", tenantId: 7, secret: "s3cr3t", to: undefined } }), undefined);
    publish!({ channel: "jobs", type: "done", payload: {}, date: new Date(5) });
    await connect();
    assert.deepEqual(
      of("publish").flatMap((m) => m.events.map(({ key, ...e }: { key: string }) => e)),
      [
        { resource: "products", type: "updated", ids: [42], payload: { ids: [42] }, date: "1970-01-01T00:00:00.005Z", meta: { dataProviderName: "default", tenantId: 7 } },
        { resource: "jobs", type: "done", payload: {}, date: "1970-01-01T00:00:00.005Z", meta: {} },
      ],
    );
  });

  test("refused warns once, or tells onError", async () => {
    live.publish!(told);
    live.publish!(told);
    await connect();
    for (const { ref } of of("publish")) newest().say({ op: "error", ref, code: "forbidden", message: "may not publish products" });
    await settle();
    assert.deepEqual(warnings, ["livebridge: LivebridgeError: may not publish products"]);
    const onError = mock.fn();
    provide({ onError }).publish!(told);
    await settle();
    newest().say({ op: "error", ref: of("publish")[2].ref, code: "forbidden", message: "no" });
    await settle();
    assert.deepEqual(onError.mock.calls[0]!.arguments[0].code, "forbidden");
  });

  test("can be left to the backend", () => {
    assert.ok(!("publish" in provide({ publish: false })));
  });
});

describe("the origin", () => {
  const calls: [string, unknown][] = [];
  const note = (name: string) => async (params: unknown) => void calls.push([name, params]);
  class DataProvider {
    getList = note("getList");
    custom = note("custom");
    deleteMany = note("deleteMany");
    getApiUrl = () => "/api";
    async update(params: object) {
      await note("update")([this instanceof DataProvider, params]);
    }
  }

  test("goes with what changes something", async () => {
    const dataProvider = withOrigin(new DataProvider(), client);
    dataProvider.update({ id: 1 });
    client.subscribe({ resource: "products" }, () => {});
    await connect();
    dataProvider.update({ id: 1, meta: { a: 1, headers: { B: "2" } } });
    dataProvider.deleteMany({ ids: [] });
    dataProvider.custom({ url: "", method: "post" });
    dataProvider.getList({ resource: "products" });
    const headers = { "X-Live-Origin": "s0" };
    assert.deepEqual(calls, [
      ["update", [true, { id: 1, meta: { headers: {} } }]],
      ["update", [true, { id: 1, meta: { a: 1, headers: { ...headers, B: "2" } } }]],
      ["deleteMany", { ids: [], meta: { headers } }],
      ["custom", { url: "", method: "post", meta: { headers } }],
      ["getList", { resource: "products" }],
    ]);
    assert.equal(dataProvider.getApiUrl(), "/api");
    assert.deepEqual([originHeaders(client), originHeaders({ session: undefined })], [headers, {}]);
  });
});
