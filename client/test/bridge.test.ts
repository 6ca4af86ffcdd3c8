// The client against a real bridge with its real store.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test as run } from "node:test";
import { WebSocket } from "ws";
import { createClient } from "../src/index.js";
import type { Client, ClientOptions, LiveEvent, Reset, State, SubscribeOptions } from "../src/types.js";
import { network, startBridge, type Bridge } from "./bridge.js";

let bridge: Bridge;
const clients: Client[] = [];
let topics = 0;
/** A resource that no other test uses. */
const topic = () => `topic ${++topics}`;

const connect = (options: Partial<ClientOptions> = {}) => {
  const client = createClient({ url: bridge.ws, WebSocket, retry: (n) => Math.min(20 * 2 ** n, 200), ...options });
  clients.push(client);
  return client;
};

/** Waits for a state of the world. A test that never gets there is ended by the runner. */
const until = async (what: () => unknown) => {
  while (!what()) await new Promise((done) => setTimeout(done, 5));
};
const reaches = (client: Client, state: State) => until(() => client.state == state);

/** Subscribes, waits until it is live, and keeps what was told. */
const listen = async (client: Client, options: SubscribeOptions) => {
  const heard: (LiveEvent | Reset)[] = [];
  const events = () => heard.filter((m) => m.kind == "event");
  const handle = await new Promise<{ close(): void }>((done) => {
    const handle = client.subscribe({ ...options, onLive: () => done(handle) }, (m) => heard.push(m));
  });
  return { heard, events, ids: () => events().map((e) => e.ids.join()), close: () => handle.close() };
};

const test = (name: string, f: () => Promise<void>) => run(name, { timeout: 30_000 }, f);

before(async () => {
  bridge = await startBridge("--ping", "1s");
});
after(() => bridge?.remove());
afterEach(() => clients.splice(0).forEach((c) => c.close()));

describe("with a real bridge", () => {
  test("what one publishes the other hears, and knows its own", async () => {
    const resource = topic();
    const [a, b] = [connect(), connect()];
    const [mine, theirs] = [await listen(a, { resource }), await listen(b, { resource, types: ["updated"], ids: [42] })];
    const date = new Date("2026-01-02T03:04:05.678Z");
    const acks = await a.publish([
      { resource, type: "updated", id: 42, payload: { price: 10 }, meta: { user: "eva" }, date },
      { resource, type: "created", id: 43 },
    ]);
    await until(() => mine.heard.length == 2 && theirs.heard.length);
    const [event] = theirs.events();
    assert.deepEqual(
      [event!.type, event!.id, event!.ids, event!.payload, event!.meta, event!.date, event!.origin, event!.own, event!.replayed],
      ["updated", "42", ["42"], { price: 10 }, { user: "eva" }, date, a.session, false, false],
    );
    assert.deepEqual(
      mine.events().map((e) => [e.own, e.id, e.payload]),
      [
        [true, "42", { price: 10 }],
        [true, "43", {}],
      ],
    );
    assert.deepEqual(
      acks.map((x) => x.cursor),
      mine.events().map((e) => e.cursor),
    );
    assert.equal(acks[0]!.duplicate, false);
  });

  test("several records are one event, whole or cut down to the ids that were asked for", async () => {
    const resource = topic();
    const client = connect();
    const [all, two] = [await listen(client, { resource }), await listen(client, { resource, ids: ["7", 9] })];
    const ids = Array.from({ length: 300 }, (_, i) => i);
    await client.publish({ resource, type: "updated", ids, payload: { sale: true } });
    await client.publish({ resource, type: "imported" });
    await until(() => all.heard.length == 2 && two.heard.length == 2);
    assert.deepEqual(all.ids(), [ids.join(), ""]);
    assert.deepEqual(two.ids(), ["7,9", ""]);
    const history = await client.history({ resource });
    assert.deepEqual(
      history.events.map((e) => e.ids.length),
      [300, 0],
    );
  });

  test("ids of every kind come back as they went", async () => {
    const resource = topic();
    const client = connect();
    const ids = ["0", "a.b", "a b", "a/b", "*", ">", "é😀", "_", "%5F", 'say "hi"', "x".repeat(200), "-"];
    const each = await Promise.all(ids.map((id) => listen(client, { resource, ids: [id] })));
    for (const id of ids) await client.publish({ resource, type: "updated", id: id == "0" ? 0 : id });
    await until(() => each.every((e) => e.heard.length));
    assert.deepEqual(
      each.map((e) => e.ids()),
      ids.map((id) => [id]),
    );
  });

  test("replay: after a cursor, since a time, the last; then live, each once and in order", async () => {
    const resource = topic();
    const client = connect();
    const cursors: string[] = [];
    for (const id of [1, 2, 3]) cursors.push((await client.publish({ resource, type: "updated", id }))[0]!.cursor);
    const lists = await Promise.all([
      listen(client, { resource, after: cursors[0] }),
      listen(client, { resource, since: 60_000 }),
      listen(client, { resource, since: "-1h" }),
      listen(client, { resource, since: new Date(Date.now() - 60_000) }),
      listen(client, { resource, last: 1 }),
      listen(client, { resource }),
    ]);
    await client.publish({ resource, type: "updated", id: 4 });
    await until(() => lists.every((l) => l.ids().includes("4")));
    assert.deepEqual(
      lists.map((l) => l.ids().join("")),
      ["234", "1234", "1234", "1234", "34", "4"],
    );
    assert.deepEqual(
      lists[1]!.events().map((e) => e.replayed),
      [true, true, true, false],
    );
  });

  test("history in pages, by type and id, and a start that is no cursor", async () => {
    const resource = topic();
    const client = connect();
    for (const id of [1, 2, 3]) await client.publish({ resource, type: id == 2 ? "created" : "updated", id, payload: { id } });
    const first = await client.history({ resource, limit: 2 });
    assert.deepEqual(
      [first.events.map((e) => e.id), first.more, first.events[0]!.payload, first.events[0]!.date instanceof Date],
      [["1", "2"], true, { id: 1 }, true],
    );
    const rest = await client.history({ resource, after: first.cursor });
    assert.deepEqual([rest.events.map((e) => e.id), rest.more], [["3"], false]);
    const some = await client.history({ resource, types: ["updated"], ids: [1, "3"], since: new Date(0) });
    assert.deepEqual(
      some.events.map((e) => e.id),
      ["1", "3"],
    );
    await assert.rejects(client.history({ resource, after: "nonsense" }), { name: "LivebridgeError", code: "bad_cursor" });
    await assert.rejects(createClient({ url: "ws://127.0.0.1:1/v1/ws" }).history({ resource }), { code: "unavailable" });
  });

  test("what the bridge refuses is told with its code, and the rest goes on", async () => {
    const resource = topic();
    const client = connect();
    const codes: string[] = [];
    client.on("error", (e) => codes.push(e.code));
    client.subscribe({ resource: "" }, () => {});
    client.subscribe({ resource, after: "nonsense" }, () => {});
    const good = await listen(client, { resource });
    await assert.rejects(client.publish({ resource, type: "" }), { code: "bad_request" });
    await client.publish({ resource, type: "updated", id: 1 });
    await until(() => good.heard.length);
    assert.deepEqual([codes.sort(), client.state], [["bad_cursor", "bad_request"], "live"]);
  });

  test("the same key is stored once", async () => {
    const resource = topic();
    const client = connect();
    await client.publish({ resource, type: "updated", key: resource });
    assert.equal((await client.publish({ resource, type: "updated", key: resource }))[0]!.duplicate, true);
    assert.equal((await client.history({ resource })).events.length, 1);
  });

  test("a backend names the session that caused a change", async () => {
    const resource = topic();
    const client = connect();
    const ear = await listen(client, { resource });
    await bridge.post({ resource, type: "updated", id: 1 }, { "X-Live-Origin": client.session! });
    await bridge.post({ resource, type: "updated", id: 2 });
    await until(() => ear.heard.length == 2);
    assert.deepEqual(
      ear.events().map((e) => e.own),
      [true, false],
    );
  });

  for (const signal of ["SIGKILL", "SIGTERM"] as const)
    test(`${signal} and a new start: what was missed comes once, in order; where nothing was, nobody is called`, async () => {
      const [resource, quiet] = [topic(), topic()];
      const client = connect();
      const [ear, silent] = [await listen(client, { resource }), await listen(client, { resource: quiet })];
      await bridge.post({ resource, type: "updated", id: 1 });
      await until(() => ear.heard.length);
      await bridge.stop(signal);
      await reaches(client, "offline");
      const late = client.publish({ resource, type: "updated", id: "queued" });
      await bridge.start();
      await bridge.post([2, 3].map((id) => ({ resource, type: "updated", id })));
      await late;
      await reaches(client, "live");
      await bridge.post({ resource, type: "updated", id: 4 });
      await until(() => ear.ids().includes("4"));
      assert.deepEqual(ear.ids().toSorted(), ["1", "2", "3", "4", "queued"]);
      assert.deepEqual(
        ear.ids().filter((id) => id != "queued"),
        ["1", "2", "3", "4"],
      );
      assert.deepEqual([silent.heard, ear.heard.length], [[], 5]);
    });

  test("missed while away: replayed, and marked so", async () => {
    const resource = topic();
    let wait = 0;
    const client = connect({ retry: () => wait });
    const ear = await listen(client, { resource });
    await bridge.post({ resource, type: "updated", id: 1 });
    await until(() => ear.heard.length);
    wait = 300; // long enough for the events below; what is asserted does not depend on it
    await bridge.stop("SIGKILL");
    await reaches(client, "offline");
    await bridge.start();
    await bridge.post({ resource, type: "updated", ids: [2, 3] });
    await until(() => ear.heard.length == 2);
    assert.deepEqual(ear.ids(), ["1", "2,3"]);
    await reaches(client, "live");
  });

  test("a stream that was recreated: every subscription is told to read again, once, and is live", async () => {
    const resource = topic();
    const client = connect();
    const resets: string[] = [];
    client.on("reset", (r) => resets.push(r.reason));
    const [all, one] = [await listen(client, { resource }), await listen(client, { resource, ids: [1] })];
    await bridge.post({ resource, type: "updated", id: 1 });
    await until(() => all.heard.length && one.heard.length);
    await bridge.stop("SIGKILL");
    bridge.wipe();
    await bridge.start();
    await reaches(client, "live");
    await bridge.post({ resource, type: "updated", id: 1 });
    await until(() => all.ids().length == 2 && one.ids().length == 2);
    const seen = (l: typeof all) => l.heard.map((m) => (m.kind == "reset" ? m.reason : m.id));
    assert.deepEqual([seen(all), seen(one), resets], [["1", "stream", "1"], ["1", "stream", "1"], ["stream", "stream"]]);
  });

  test("a cut cable is noticed after two pings, and nothing is lost", async () => {
    const resource = topic();
    const way = await network(bridge.port);
    try {
      const client = connect({ url: way.ws });
      const ear = await listen(client, { resource });
      way.cut();
      await bridge.post({ resource, type: "updated", id: 1 });
      await reaches(client, "offline");
      assert.deepEqual(ear.heard, []);
      way.mend();
      await until(() => ear.heard.length);
      await bridge.post({ resource, type: "updated", id: 2 });
      await until(() => ear.ids().includes("2"));
      assert.deepEqual(ear.ids(), ["1", "2"]);
    } finally {
      clients.splice(0).forEach((c) => c.close());
      await way.close();
    }
  });

  test("a connection that breaks again and again: everything once and in order, whoever listens since when", async () => {
    const [resource, other] = [topic(), topic()];
    const way = await network(bridge.port);
    try {
      const client = connect({ url: way.ws, retry: () => Math.random() * 20, linger: 10 });
      const all = await listen(client, { resource });
      const [some, wide] = [
        await listen(client, { resource, ids: [3, 7] }),
        await listen(client, { resource: "*", types: ["counted"] }),
      ];
      const total = 400;
      const late: { from: number; ids: () => string[]; close: () => void }[] = [];
      for (let n = 0; n < total; n++) {
        const [{ cursor }] = (await bridge.post({ resource, type: "counted", id: n % 10, payload: { n } })) as [
          { cursor: string },
        ];
        await bridge.post({ resource: other, type: "uncounted" });
        if (n % 23 == 0) way.drop();
        if (n % 40 == 0) {
          const heard: LiveEvent[] = [];
          const handle = client.subscribe({ resource, after: cursor }, (m) => m.kind == "event" && heard.push(m));
          late.push({ from: n + 1, ids: () => heard.map((e) => String(e.payload.n)), close: handle.close });
        }
      }
      await until(() =>
        [all, ...late].every((l) => l.ids().length && (l === all ? all.events().at(-1)!.payload.n : l.ids().at(-1)) == total - 1),
      );
      await reaches(client, "live");
      const numbers = (from: number, keep = (_: number) => true) =>
        Array.from({ length: total - from }, (_, i) => from + i).filter(keep);
      const told = (l: typeof all) => l.events().map((e) => e.payload.n);
      assert.deepEqual(told(all), numbers(0));
      assert.deepEqual(told(wide), numbers(0));
      assert.deepEqual(
        told(some),
        numbers(0, (n) => [3, 7].includes(n % 10)),
      );
      for (const l of late) assert.deepEqual(l.ids(), numbers(l.from).map(String));
      assert.ok([all, some, wide].every((l) => l.heard.every((m) => m.kind == "event")));
      assert.ok(way.connections > 10);
    } finally {
      clients.splice(0).forEach((c) => c.close());
      await way.close();
    }
  });

  test("many subscriptions and a burst: every one is told everything once", async () => {
    const resource = topic();
    const [client, other] = [connect(), connect()];
    const ears = await Promise.all(Array.from({ length: 60 }, (_, i) => listen(client, { resource, ids: [i] })));
    await Promise.all(Array.from({ length: 20 }, () => other.publish(ears.map((_, id) => ({ resource, type: "updated", id })))));
    await until(() => ears.every((e) => e.heard.length >= 20));
    await other.publish({ resource, type: "done" });
    await until(() => ears.every((e) => e.ids().at(-1) == ""));
    assert.ok(ears.every((e) => e.heard.length == 21));
  });
});
