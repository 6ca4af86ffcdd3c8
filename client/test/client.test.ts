// The client against a scripted bridge, in virtual time: faults, waiting and what a page does.
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, mock, test } from "node:test";
import { createClient } from "../src/client.js";
import type { Client, ClientOptions, LiveEvent, Reset, State } from "../src/types.js";
import { FakeSocket, event, frames, newest, of, pass, settle, sockets } from "./fake.js";

const START = 1_000_000_000_000;
let client: Client;
let states: State[];
let errors: string[];
let resets: Reset[];
let page: EventTarget;

const make = (options: Partial<ClientOptions> = {}) => {
  client = createClient({ url: "http://bridge.test/v1/ws", WebSocket: FakeSocket, ...options });
  client.on("state", (state) => states.push(state));
  client.on("error", (error) => errors.push(error.code));
  client.on("reset", (reset) => resets.push(reset));
  return client;
};
/** A listener and what it was told: ids of events, or the reason of a reset. */
const ear = () => {
  const heard: string[] = [];
  return Object.assign((m: LiveEvent | Reset) => void heard.push(m.kind == "event" ? m.ids.join() || "*" : m.reason), { heard });
};
const live = async (cursor?: string) => {
  await settle();
  newest().accept();
  await settle();
  newest().subscribed(cursor);
  await settle();
};

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: START });
  mock.method(Math, "random", () => 0.5);
  sockets.length = 0;
  [states, errors, resets] = [[], [], []];
  page = new EventTarget();
  Object.assign(globalThis, {
    addEventListener: page.addEventListener.bind(page),
    removeEventListener: page.removeEventListener.bind(page),
    document: { hidden: false },
  });
});
afterEach(() => {
  client.close();
  mock.timers.reset();
  mock.restoreAll();
  for (const name of ["addEventListener", "removeEventListener", "document"])
    delete (globalThis as Record<string, unknown>)[name];
});

describe("one connection", () => {
  test("is opened by the first subscription and closed a linger after the last", async () => {
    make();
    assert.deepEqual([client.state, sockets.length], ["closed", 0]);
    const handle = client.subscribe({ resource: "products" }, ear());
    client.subscribe({ resource: "orders" }, ear()).close();
    await live();
    assert.deepEqual([newest().url, newest().protocol, sockets.length], ["ws://bridge.test/v1/ws", "livebridge.v1", 1]);
    assert.deepEqual(frames()[0], { op: "connect" });
    assert.deepEqual(states, ["connecting", "live"]);
    assert.equal(client.session, "s0");
    await pass(1000);
    assert.equal(of("unsubscribe").length, 1);
    handle.close();
    handle.close();
    await pass(999);
    assert.equal(client.state, "live");
    await pass(1);
    assert.deepEqual([client.state, newest().closed, client.session], ["closed", true, "s0"]);
    client.subscribe({ resource: "products" }, ear());
    await live();
    assert.deepEqual([sockets.length, client.state], [2, "live"]);
  });

  test("sends what is asked for in one turn as one frame", async () => {
    make();
    client.subscribe({ resource: "a" }, ear());
    client.subscribe({ resource: "b" }, ear());
    await live();
    assert.equal(newest().sent.length, 2); // connect, both subscribes
  });

  test("with no WebSocket to be had tells so and goes on trying", async () => {
    make({
      WebSocket: class {
        constructor() {
          throw new Error("no");
        }
      } as never,
    });
    client.subscribe({ resource: "a" }, ear());
    await settle();
    assert.deepEqual([errors, client.state], [["failed"], "offline"]);
  });
});

describe("subscriptions", () => {
  test("equal ones share one on the wire, which lingers", async () => {
    make();
    const [a, b, c] = [ear(), ear(), ear()];
    const first = client.subscribe({ resource: "products", ids: [1, "2"] }, a);
    client.subscribe({ resource: "products", ids: ["2", 1, 1], types: ["*"] }, b).close();
    await live();
    assert.equal(of("subscribe").length, 1);
    first.close();
    await pass(900);
    client.subscribe({ resource: "products", ids: ["1", "2"] }, c); // StrictMode, a page change
    await pass(5000);
    assert.deepEqual([of("subscribe").length, of("unsubscribe").length], [1, 0]);
    newest().say(event({ id: "2" }), event({ id: "3" }), event({ id: "" }));
    assert.deepEqual([a.heard, b.heard, c.heard], [[], [], ["2", "*"]]);
  });

  test("a live event goes to each that is live and matches, a tagged one to its own alone", async () => {
    make();
    const [a, b, c] = [ear(), ear(), ear()];
    client.subscribe({ resource: "products" }, a);
    client.subscribe({ resource: "*", types: ["updated"] }, b);
    await live();
    client.subscribe({ resource: "products", last: 1 }, c);
    await settle();
    const sub = of("subscribe")[2].sub;
    newest().say({ op: "subscribed", sub, recovered: true, cursor: "c" }, event({ id: "1" }), event({ id: "2", sub }));
    assert.deepEqual([a.heard, b.heard, c.heard], [["1"], ["1"], ["2"]]);
    newest().say(event({ sub: "nobody" }));
    assert.deepEqual(a.heard, ["1"]);
  });

  test("with a start of its own becomes one with its twin once it is live", async () => {
    make();
    const [a, b] = [ear(), ear()];
    const first = client.subscribe({ resource: "products" }, a);
    await live();
    const second = client.subscribe({ resource: "products", since: 2000 }, b);
    first.close(); // lingers, and is taken over
    await settle();
    const { sub, since } = of("subscribe")[1];
    assert.equal(since, "-2001ms");
    newest().say({ op: "subscribed", sub, recovered: true, cursor: "c" }, event({ id: "1", sub }), {
      op: "live",
      sub,
      cursor: "c",
    });
    await pass(5000);
    assert.deepEqual(of("unsubscribe"), [{ op: "unsubscribe", sub }]);
    newest().say(event({ id: "2" }));
    assert.deepEqual([a.heard, b.heard], [[], ["1", "2"]]);
    second.close();
    await pass(1000);
    assert.equal(client.state, "closed");
  });

  test("with the same start share one as long as nothing was replayed", async () => {
    make();
    for (let i = 0; i < 3; i++) client.subscribe({ resource: "products", since: 2000 }, ear());
    await live();
    assert.equal(of("subscribe").length, 1);
    client.subscribe({ resource: "products", since: 2000 }, ear());
    await settle();
    assert.equal(of("subscribe").length, 2);
  });

  test("a since in ms grows by the time until the bridge is reached", async () => {
    make();
    client.subscribe({ resource: "products", since: 500 }, ear());
    await settle();
    await pass(1500);
    newest().accept();
    await settle();
    assert.equal(of("subscribe")[0].since, "-2001ms");
  });

  test("onLive is called once, when nothing can be missed any more", async () => {
    make();
    let calls = 0;
    const onLive = () => void calls++;
    client.subscribe({ resource: "products", onLive }, ear());
    await live();
    assert.equal(calls, 1);
    client.subscribe({ resource: "products", onLive }, ear());
    client.subscribe({ resource: "products", onLive }, ear()).close();
    await settle();
    assert.equal(calls, 2);
    newest().drop();
    await pass(500);
    await live();
    assert.equal(calls, 2);
  });

  test("a listener that throws harms nobody else", async () => {
    make();
    const b = ear();
    const thrown: unknown[] = [];
    mock.method(globalThis, "queueMicrotask", (f: () => void) => {
      try {
        f();
      } catch (e) {
        thrown.push(e);
      }
    });
    client.subscribe({ resource: "products" }, () => {
      throw "mine";
    });
    client.subscribe({ resource: "products" }, b);
    await live();
    newest().say(event());
    assert.deepEqual([b.heard, thrown], [["42"], ["mine"]]);
  });

  test("closed in a listener, or opened in one, take effect at once and not twice", async () => {
    make();
    const [a, b] = [ear(), ear()];
    client.subscribe({ resource: "products" }, () => {
      second.close();
      client.subscribe({ resource: "products" }, b);
    });
    const second = client.subscribe({ resource: "products" }, a);
    await live();
    newest().say(event());
    assert.deepEqual([a.heard, b.heard], [[], []]);
  });

  test("refused for good: told once, asked again only on the next connection", async () => {
    make();
    const a = ear();
    client.subscribe({ resource: "secrets" }, a);
    await settle();
    newest().accept();
    await settle();
    newest().say({ op: "error", sub: of("subscribe")[0].sub, code: "forbidden", message: "no" });
    await pass(60_000 - 20_000);
    assert.deepEqual([errors, client.state, of("subscribe").length], [["forbidden"], "live", 1]);
    newest().drop();
    await pass(500);
    await live();
    newest().say(event({ resource: "secrets" }));
    assert.deepEqual(a.heard, ["42"]);
  });

  test("refused for the moment: asked again soon, from its cursor", async () => {
    make();
    client.subscribe({ resource: "products" }, ear());
    await live("c7");
    const { sub } = of("subscribe")[0];
    newest().say({ op: "error", sub, code: "unavailable", message: "the store is away" });
    await pass(2000);
    assert.deepEqual(of("subscribe")[1], { op: "subscribe", sub, resource: "products", after: "c7" });
  });

  test("too large for a frame is told and not sent", async () => {
    make();
    client.subscribe({ resource: "products", ids: Array.from({ length: 900 }, (_, i) => "é".repeat(40) + i) }, ear());
    await settle();
    newest().accept();
    await settle();
    assert.deepEqual([errors, of("subscribe").length, client.state], [["too_large"], 0, "live"]);
  });
});

describe("events", () => {
  test("of one batch are one event; the next ends it, and so does a pause", async () => {
    make();
    const [a, b] = [ear(), ear()];
    client.subscribe({ resource: "products" }, a);
    client.subscribe({ resource: "products", ids: [1, 3] }, b);
    await live();
    newest().say(event({ id: "1", batch: "x" }), event({ id: "2", batch: "x" }));
    newest().say(event({ id: "3", batch: "x" }), event({ id: "4", batch: "y" }));
    assert.deepEqual([a.heard, b.heard], [["1,2,3"], []]);
    await pass(20);
    assert.deepEqual([a.heard, b.heard], [["1,2,3", "4"], ["1,3"]]);
  });

  test("carry a Date, and say whether they are one's own or replayed", async () => {
    make();
    const got: LiveEvent[] = [];
    client.subscribe({ resource: "products" }, (m) => void (m.kind == "event" && got.push(m)));
    await live();
    newest().say(event({ origin: "s0", meta: { a: 1 } }), event({ origin: "backend", payload: null, raw: "eA==" }));
    newest().drop();
    await pass(500);
    await live();
    newest().say(event({ origin: "s0" }), event({ origin: "s1", sub: of("subscribe")[0].sub }), event({}));
    assert.deepEqual(
      got.map((e) => [e.own, e.replayed]),
      [
        [true, false],
        [false, false],
        [true, false],
        [true, true],
        [false, false],
      ],
    );
    assert.ok(got[0]!.date instanceof Date);
    assert.deepEqual([got[0]!.meta, got[1]!.raw, "op" in got[0]!, "sub" in got[3]!], [{ a: 1 }, "eA==", false, false]);
  });

  test("reset goes to the listeners and to on('reset'); the subscription is live", async () => {
    make();
    const a = ear();
    client.subscribe({ resource: "products", ids: [7] }, a);
    await settle();
    newest().accept();
    await settle();
    const { sub } = of("subscribe")[0];
    newest().say(
      { op: "subscribed", sub, recovered: false, cursor: "r" },
      { op: "reset", sub, reason: "expired", cursor: "r" },
      event({ id: "7" }),
    );
    assert.deepEqual([a.heard, client.state], [["expired", "7"], "live"]);
    assert.deepEqual(resets, [
      { kind: "reset", reason: "expired", resource: "products", types: undefined, ids: ["7"], cursor: "r" },
    ]);
  });
});

describe("reconnect", () => {
  const lose = async (code = 1006) => {
    newest().drop(code);
    await settle();
  };

  test("resumes each subscription from its own cursor and calls nobody", async () => {
    make();
    const [a, b] = [ear(), ear()];
    client.subscribe({ resource: "products" }, a);
    client.subscribe({ resource: "orders" }, b);
    await live("c1");
    client.subscribe({ resource: "users", last: 9 }, ear());
    await settle();
    const users = of("subscribe")[2].sub;
    newest().say(
      { op: "subscribed", sub: users, recovered: true, cursor: "c2" },
      event({ cursor: "c3", id: "1" }),
      event({ cursor: "c2b", sub: users, resource: "users" }),
    );
    await lose();
    assert.deepEqual([client.state, client.status.retryAt], ["offline", START + 125]);
    await pass(125);
    newest().accept({ cursor: "c9" });
    await settle();
    assert.deepEqual(
      of("subscribe").map((m) => m.after),
      ["c3", "c3", "c2b"],
    );
    assert.equal(client.state, "resuming");
    newest().subscribed("c9");
    assert.deepEqual([client.state, a.heard, b.heard, resets], ["live", ["1"], [], []]);
    assert.deepEqual(states, ["connecting", "live", "offline", "resuming", "live"]);
    newest().say({ op: "ping", cursor: "c10" });
    await lose();
    await pass(250);
    newest().accept();
    await settle();
    assert.deepEqual(
      of("subscribe").map((m) => m.after),
      ["c10", "c10", "c10"],
    );
  });

  test("live, reset and a ping without a cursor move no other subscription", async () => {
    make();
    client.subscribe({ resource: "a" }, ear());
    await live("c1");
    client.subscribe({ resource: "b" }, ear());
    await settle();
    newest().subscribed("c2");
    newest().say({ op: "ping" });
    await lose();
    await pass(125);
    newest().accept();
    await settle();
    assert.deepEqual(
      of("subscribe").map((m) => m.after),
      ["c1", "c2"],
    );
  });

  test("a start that was not honoured is asked for again if the reset did not arrive", async () => {
    make();
    client.subscribe({ resource: "a", after: "old" }, ear());
    await settle();
    newest().accept();
    await settle();
    newest().say({ op: "subscribed", sub: of("subscribe")[0].sub, recovered: false, cursor: "r" });
    await lose();
    await pass(125);
    newest().accept();
    await settle();
    assert.equal(of("subscribe")[0].after, "old");
  });

  test("waits longer each time, up to the cap, and starts over after a good connection", async () => {
    make();
    client.subscribe({ resource: "a" }, ear());
    await settle();
    const waits: number[] = [];
    for (let i = 0; i < 9; i++) {
      await lose();
      waits.push(client.status.retryAt! - Date.now());
      assert.equal(client.status.attempt, i + 1);
      await pass(waits[i]!);
    }
    assert.deepEqual(waits, [125, 250, 500, 1000, 2000, 4000, 7500, 7500, 7500]);
    await live();
    await lose(4409); // at once: no good connection
    assert.equal(client.status.retryAt! - Date.now(), 7500);
    await pass(7500);
    await live();
    await pass(10_001);
    await lose(4409);
    assert.equal(client.status.retryAt! - Date.now(), 125);
  });

  test("takes the retry policy that it was given", async () => {
    make({ retry: (attempt) => 10 + attempt });
    client.subscribe({ resource: "a" }, ear());
    await settle();
    await lose();
    await pass(10);
    await lose();
    assert.equal(client.status.retryAt! - Date.now(), 11);
  });

  test("comes back at once, with jitter, from a bridge that drains", async () => {
    make({ retry: () => 99_999 });
    client.subscribe({ resource: "a" }, ear());
    await live();
    await lose(1001);
    assert.equal(client.status.retryAt! - Date.now(), 500);
  });

  test("a bridge that says nothing for two pings is dead", async () => {
    make();
    client.subscribe({ resource: "a" }, ear());
    await live();
    await pass(49_999);
    newest().say({ op: "ping", cursor: "c2" });
    await pass(49_999);
    assert.equal(client.state, "live");
    await pass(1);
    assert.deepEqual([client.state, newest().closed], ["offline", true]);
    newest().say(event()); // what the dead one still says is not heard
    await pass(125);
    assert.equal(sockets.length, 2);
  });

  test("a bridge that does not answer is left after 10 s", async () => {
    make();
    client.subscribe({ resource: "a" }, ear());
    await settle();
    newest().onopen?.({});
    await pass(10_000);
    assert.equal(client.state, "offline");
  });

  test("what is not JSON ends the connection, and it is tried again", async () => {
    make();
    client.subscribe({ resource: "a" }, ear());
    await live();
    newest().onmessage?.({ data: "<html>" });
    await pass(125);
    assert.deepEqual([errors, sockets.length], [["bad_frame"], 2]);
  });

  test("unknown ops and fields are ignored", async () => {
    make();
    const a = ear();
    client.subscribe({ resource: "products" }, a);
    await live();
    newest().say({ op: "news", cursor: "z", sub: "q" }, event({ colour: "red" }));
    assert.deepEqual([a.heard, errors], [["42"], []]);
  });

  for (const code of [4400, 4401, 4403, 1003, 1007, 1009])
    test(`not after ${code}, until somebody asks anew`, async () => {
      make();
      client.subscribe({ resource: "a" }, ear());
      await live();
      const waiting = client.publish({ resource: "a", type: "b" });
      newest().drop(code, "go away");
      await assert.rejects(waiting, { name: "LivebridgeError" });
      page.dispatchEvent(new Event("online"));
      await pass(600_000);
      assert.deepEqual([client.state, sockets.length, errors.length], ["closed", 1, 1]);
      client.subscribe({ resource: "b" }, ear());
      await live();
      assert.deepEqual([client.state, of("subscribe").length], ["live", 2]);
    });

  test("refused for good, a subscription equal to one that waits is asking anew too", async () => {
    make();
    const [a, b] = [ear(), ear()];
    client.subscribe({ resource: "a" }, a);
    await live();
    newest().drop(4403);
    client.subscribe({ resource: "a" }, b);
    await live();
    assert.deepEqual([client.state, sockets.length, of("subscribe").length], ["live", 2, 1]);
  });

  test("not while nobody is left", async () => {
    make();
    const handle = client.subscribe({ resource: "a" }, ear());
    await live();
    await lose();
    handle.close();
    await pass(1000);
    await pass(60_000);
    assert.equal(client.state, "closed");
    assert.ok(sockets.every((s, i) => s.closed || i == 0));
  });
});

describe("tokens", () => {
  const asked: string[] = [];
  const tokens = (...list: (string | null | Error)[]) => {
    asked.length = 0;
    return async (why: string) => {
      asked.push(why);
      const next = list.length > 1 ? list.shift()! : list[0]!;
      if (next instanceof Error) throw next;
      return next;
    };
  };

  test("one for the connection, a fresh one on the open socket before it expires", async () => {
    make({ getToken: tokens("t1", "t2", "t3") });
    client.subscribe({ resource: "a" }, ear());
    await settle();
    newest().accept({ expires: new Date(START + 40_000).toISOString() });
    assert.deepEqual(frames()[0], { op: "connect", token: "t1" });
    await pass(29_999);
    assert.equal(of("token").length, 0);
    await pass(1);
    assert.deepEqual(of("token"), [{ op: "token", token: "t2" }]);
    const again = {
      op: "connected",
      session: "s0",
      cursor: "c9",
      ping: 25,
      limits: { frame: 65536 },
      expires: new Date(START + 70_000).toISOString(),
    };
    newest().say(again);
    await pass(29_999);
    assert.deepEqual([of("token").length, of("subscribe").length], [1, 1]);
    await pass(1);
    assert.deepEqual(
      [of("token")[1], asked, sockets.length],
      [{ op: "token", token: "t3" }, ["connect", "expiring", "expiring"], 1],
    );
  });

  test("a token far in the future sets no timer that fires at once", async () => {
    make({ getToken: tokens("t1", "t2") });
    client.subscribe({ resource: "a" }, ear());
    await settle();
    newest().accept({ expires: "2099-01-01T00:00:00Z" });
    await pass(1000);
    assert.deepEqual(asked, ["connect"]);
  });

  test("4401 with a getToken: tried again with a fresh one, never with the same", async () => {
    make({ getToken: tokens("t1", "t2", "t2") });
    client.subscribe({ resource: "a" }, ear());
    await live();
    newest().drop(4401, "expired");
    await pass(500);
    assert.equal(sockets.length, 2);
    newest().onopen?.({});
    assert.deepEqual(frames()[0], { op: "connect", token: "t2" });
    newest().drop(4401);
    await pass(500);
    assert.deepEqual(
      [client.state, errors, sockets.length, asked],
      ["closed", ["unauthorized"], 2, ["connect", "refused", "refused"]],
    );
  });

  test("a getToken that fails is told and tried again", async () => {
    make({ getToken: tokens(new Error("login is down"), "t1") });
    client.subscribe({ resource: "a" }, ear());
    await settle();
    assert.deepEqual([errors, client.state, sockets.length], [["failed"], "offline", 0]);
    await pass(125);
    await live();
    assert.equal(client.state, "live");
  });

  test("a token that comes when nobody waits any more opens nothing", async () => {
    let give: (token: string) => void;
    make({ getToken: () => new Promise<string>((done) => (give = done)) });
    client.subscribe({ resource: "a" }, ear());
    await settle();
    client.close();
    give!("late");
    await settle();
    assert.deepEqual([client.state, sockets.length], ["closed", 0]);
  });
});

describe("publish", () => {
  const published = (ref: string, socket = newest()) =>
    socket.say({ op: "published", ref, events: [{ cursor: "p", duplicate: false }] });

  test("resolves with the acks of its ref; opens the connection and lets it go", async () => {
    make();
    const { publish } = client;
    const [one, two] = [
      publish({ resource: "a", type: "b", id: 0, payload: { x: 1 } }),
      publish([{ resource: "a", type: "b", ids: [1, 2], key: "mine", date: new Date(0) }]),
    ];
    await settle();
    newest().accept();
    await settle();
    assert.equal(client.state, "live");
    const [p, q] = of("publish");
    assert.deepEqual({ ...p.events[0], key: 0 }, { resource: "a", type: "b", id: 0, payload: { x: 1 }, key: 0 });
    assert.deepEqual(q.events, [{ resource: "a", type: "b", ids: [1, 2], key: "mine", date: "1970-01-01T00:00:00.000Z" }]);
    assert.notEqual(p.events[0].key, undefined);
    published(q.ref);
    published(p.ref);
    assert.deepEqual(await Promise.all([one, two]), [[{ cursor: "p", duplicate: false }], [{ cursor: "p", duplicate: false }]]);
    await pass(1000);
    assert.equal(client.state, "closed");
  });

  test("waits while offline and is sent again with the same key after a lost ack", async () => {
    make();
    const done = client.publish({ resource: "a", type: "b" });
    await settle();
    newest().drop();
    await pass(125);
    newest().accept();
    await settle();
    const first = newest().sent[1];
    newest().drop();
    await pass(250);
    newest().accept();
    await settle();
    assert.equal(newest().sent[1], first);
    published(of("publish")[0].ref);
    await done;
  });

  test("rejects beyond the queue, without waiting", async () => {
    make({ queue: 2 });
    const waiting = [1, 2].map((id) => client.publish({ resource: "a", type: "b", id }));
    waiting.forEach((p) => p.catch(() => {}));
    await assert.rejects(client.publish({ resource: "a", type: "b" }), { name: "LivebridgeError", code: "too_many" });
  });

  test("rejects what is not acknowledged in time", async () => {
    make({ publishTimeout: 5000 });
    const late = assert.rejects(client.publish({ resource: "a", type: "b" }), { code: "timeout" });
    await pass(5000);
    await late;
    await pass(1000);
    assert.equal(client.state, "closed");
  });

  test("rejects with the bridge's code; what is passing is sent again with its key until the time is up", async () => {
    make({ publishTimeout: 5000 });
    const bad = assert.rejects(client.publish({ resource: "", type: "b" }), {
      code: "bad_request",
      message: "resource is empty",
    });
    const later = client.publish({ resource: "a", type: "b", id: 1 });
    const never = assert.rejects(client.publish({ resource: "a", type: "b", id: 2 }), { code: "unavailable" });
    await settle();
    newest().accept();
    await settle();
    const [p, q, r] = of("publish");
    newest().say({ op: "error", ref: p.ref, code: "bad_request", message: "resource is empty" });
    await bad;
    for (const { ref } of [q, r]) newest().say({ op: "error", ref, code: "unavailable", message: "the store is away" });
    await pass(2000);
    assert.deepEqual(of("publish").slice(3), [q, r]);
    published(q.ref);
    await later;
    await pass(3000);
    await never;
    assert.deepEqual(errors, []);
  });

  test("rejects what cannot be written, or not in one frame, and the connection stays", async () => {
    make();
    const circle: Record<string, unknown> = {};
    circle.circle = circle;
    await assert.rejects(client.publish({ resource: "a", type: "b", payload: circle }), { code: "bad_request" });
    await assert.rejects(client.publish({ resource: "a", type: "b", payload: 1n }), { code: "bad_request" });
    const large = assert.rejects(client.publish({ resource: "a", type: "b", payload: "é".repeat(40_000) }), {
      code: "too_large",
    });
    await settle();
    newest().accept();
    await large;
    assert.equal(newest().closed, false);
  });

  test("many in one turn are as few frames as hold them", async () => {
    make();
    client.subscribe({ resource: "a" }, ear());
    await live();
    const before = newest().sent.length;
    for (let i = 0; i < 20; i++) client.publish({ resource: "a", type: "b", payload: "é".repeat(5000) }).catch(() => {});
    await settle();
    const sent = newest().sent.slice(before);
    assert.equal(sent.length, 4);
    assert.ok(sent.every((f) => Buffer.byteLength(f) <= 65536));
  });
});

describe("the page", () => {
  const fire = async (type: string, hidden = false) => {
    (globalThis as unknown as { document: { hidden: boolean } }).document.hidden = hidden;
    page.dispatchEvent(new Event(type));
    await settle();
  };

  test("online and shown: tries at once", async () => {
    for (const type of ["online", "visibilitychange"]) {
      make({ retry: () => 15_000 });
      client.subscribe({ resource: "a" }, ear());
      await live();
      newest().drop();
      const before = sockets.length;
      await fire("offline");
      await fire("visibilitychange", true);
      assert.equal(sockets.length, before);
      await fire(type);
      assert.deepEqual([sockets.length, client.state], [before + 1, "resuming"]);
      client.close();
    }
  });

  test("shown, online or offline: asks the bridge for a sign of life", async () => {
    for (const type of ["visibilitychange", "online", "offline", "pageshow"]) {
      make();
      client.subscribe({ resource: "a" }, ear());
      await live();
      await fire(type);
      assert.equal(of("ping").length, 1, type);
      newest().say({ op: "pong" });
      await pass(6000);
      assert.equal(client.state, "live");
      await fire(type);
      await pass(5000);
      assert.equal(client.state, "offline", type);
      client.close();
    }
  });

  test("hidden: nothing is asked, nothing closed", async () => {
    make();
    client.subscribe({ resource: "a" }, ear());
    await live();
    await fire("visibilitychange", true);
    await pass(6000);
    assert.deepEqual([client.state, of("ping").length], ["live", 0]);
  });

  test("left and shown again (back-forward cache): lets go of the socket and resumes", async () => {
    make();
    const a = ear();
    client.subscribe({ resource: "a" }, a);
    await live("c5");
    await fire("pagehide");
    assert.deepEqual([newest().closed, client.state], [true, "offline"]);
    await pass(100_000);
    assert.equal(sockets.length, 1);
    await fire("pageshow");
    newest().accept();
    await settle();
    assert.equal(of("subscribe")[0].after, "c5");
    newest().subscribed("c6");
    assert.deepEqual([client.state, a.heard], ["live", []]);
  });

  test("is not listened to while there is no connection", async () => {
    let listening = 0;
    mock.method(page, "addEventListener");
    const add = globalThis.addEventListener;
    const seen = new Set<string>();
    globalThis.addEventListener = ((type: string, f: EventListener) => (seen.add(type), add(type, f))) as typeof add;
    const remove = globalThis.removeEventListener;
    globalThis.removeEventListener = ((type: string, f: EventListener) => (seen.delete(type), remove(type, f))) as typeof remove;
    make();
    listening = seen.size;
    assert.equal(listening, 0);
    client.subscribe({ resource: "a" }, ear());
    await live();
    assert.equal(seen.size, 5);
    client.close();
    assert.equal(seen.size, 0);
  });
});

describe("close()", () => {
  test("ends everything; the client can be used again", async () => {
    make();
    const a = ear();
    const handle = client.subscribe({ resource: "products" }, a);
    await live();
    newest().say(event({ batch: "b" }));
    const waiting = assert.rejects(client.publish({ resource: "a", type: "b" }), { code: "closed" });
    client.close();
    client.close();
    await waiting;
    handle.close();
    assert.deepEqual([client.state, newest().closed], ["closed", true]);
    await pass(60_000);
    assert.deepEqual([sockets.length, a.heard], [1, []]);
    client.subscribe({ resource: "products" }, a);
    await live();
    newest().say(event());
    assert.deepEqual(a.heard, ["42"]);
  });

  test("on() returns what ends it; errors that nobody hears are written to the console", async () => {
    make();
    const heard: State[] = [];
    const off = client.on("state", (s) => heard.push(s));
    client.subscribe({ resource: "a" }, ear());
    off();
    await live();
    assert.deepEqual(heard, ["connecting"]);
    client.close();
    const warn = mock.method(console, "warn", () => {});
    client = createClient({ url: "ws://bridge.test", WebSocket: FakeSocket });
    client.subscribe({ resource: "a" }, ear());
    await live();
    newest().say({ op: "error", code: "rate_limited", message: "slower" });
    assert.equal(warn.mock.callCount(), 1);
  });
});
