import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { LivebridgeError, finalCode, join, matcher, parseFrame, toEvent, wirePublish, wireStart } from "../src/protocol.js";
import type { WireEvent } from "../src/protocol.js";
import { fullJitter } from "../src/retry.js";

interface Golden {
  name: string;
  direction: "client" | "server" | "http";
  frame: string;
  valid: boolean;
  code: string;
}
const golden: Golden[] = JSON.parse(readFileSync(new URL("../../protocol/testdata/frames.json", import.meta.url), "utf8"));
const frame = (name: string) => {
  const found = golden.find((g) => g.name == name);
  assert.ok(found, `frames.json has no "${name}"`);
  return found.frame;
};
const ops = ["connected", "subscribed", "event", "live", "unsubscribed", "reset", "published", "ping", "pong", "error"];

describe("golden frames", () => {
  for (const g of golden.filter((g) => g.direction == "server"))
    test("from the bridge: " + g.name, () => {
      const lines = g.frame.split("\n");
      const messages = parseFrame(g.frame);
      assert.equal(messages.length, lines.length);
      messages.forEach((m, i) => {
        assert.ok(ops.includes(m.op), m.op);
        assert.deepEqual(m, JSON.parse(lines[i]!));
        if (m.op == "event") assert.ok(!Number.isNaN(+toEvent(m, false, false).date));
      });
    });

  test("of the client: what it writes is what the bridge reads", () => {
    const same = (text: object, name: string) => assert.deepEqual(JSON.parse(JSON.stringify(text)), JSON.parse(frame(name)));
    const sub = (f: Parameters<typeof matcher>[0], s: Parameters<typeof wireStart>[0]) => ({
      op: "subscribe",
      sub: "a",
      ...matcher(f).filter,
      ...wireStart(s),
    });
    same(sub({ resource: "products" }, {}), "subscribe");
    same(
      sub({ resource: "products", types: ["updated", "created"], ids: [2, "1", 1] }, { after: "5kQ2-412-x7" }),
      "subscribe after a cursor",
    );
    same(sub({ resource: "products" }, { since: "-15m" }), "subscribe since a duration ago");
    same(sub({ resource: "orders", types: ["created"] }, { last: 50 }), "subscribe to the last");
    const several = JSON.parse(
      wirePublish("p2", { resource: "products", type: "updated", ids: [1, 2, 3], payload: { price: 10 } }, "k"),
    );
    assert.equal(several.events[0].key, "kp2-0");
    delete several.events[0].key;
    same(several, "publish about several records");
  });

  test("over HTTP: an event is the same object", () => {
    const event = toEvent(JSON.parse(frame("event object")), true, true);
    assert.deepEqual(event, {
      kind: "event",
      cursor: "5kQ2-413-k1",
      resource: "products",
      type: "updated",
      id: "42",
      ids: ["42"],
      date: new Date("2026-11-25T14:00:00.123Z"),
      payload: { price: 10 },
      own: true,
      replayed: true,
    });
  });
});

test("parseFrame refuses what is not JSON and passes over empty lines", () => {
  assert.deepEqual(parseFrame('\n{"op":"pong"}\n\n{"op":"ping"}\n'), [{ op: "pong" }, { op: "ping" }]);
  for (const bad of ["hello", '{"op":"ping"', '{"op":"ping"}{"op":"ping"}']) assert.throws(() => parseFrame(bad), bad);
});

test("matcher: all, some, and no particular record", () => {
  const e = (resource: string, type: string, id: string) => ({ resource, type, id });
  const table: [Parameters<typeof matcher>[0], ReturnType<typeof e>, boolean][] = [
    [{ resource: "products" }, e("products", "created", "1"), true],
    [{ resource: "products" }, e("orders", "created", "1"), false],
    [{ resource: "*" }, e("orders", "created", "1"), true],
    [{ resource: "products", types: ["*"] }, e("products", "anything", "1"), true],
    [{ resource: "products", types: [] }, e("products", "anything", "1"), true],
    [{ resource: "products", types: ["created"] }, e("products", "updated", "1"), false],
    [{ resource: "products", ids: [] }, e("products", "updated", "1"), true],
    [{ resource: "products", ids: [0] }, e("products", "updated", "0"), true],
    [{ resource: "products", ids: ["1"] }, e("products", "updated", "01"), false],
    [{ resource: "products", ids: ["*"] }, e("products", "updated", "1"), false],
    [{ resource: "products", ids: ["1"] }, e("products", "imported", ""), true],
    [{ resource: "products", ids: ["1"], types: ["updated"] }, e("products", "imported", ""), false],
  ];
  for (const [filter, on, want] of table) assert.equal(matcher(filter).match(on), want, JSON.stringify([filter, on]));
});

test("matcher: equal filters have equal keys", () => {
  const key = (f: Parameters<typeof matcher>[0]) => matcher(f).key;
  assert.equal(
    key({ resource: "a", ids: [1, 2], types: ["x", "y"] }),
    key({ resource: "a", ids: ["2", "1", "2"], types: ["y", "x"] }),
  );
  assert.equal(key({ resource: "a", types: ["x", "*"], ids: [] }), key({ resource: "a" }));
  assert.notEqual(key({ resource: "a", ids: ["b"] }), key({ resource: "a", types: ["b"] }));
});

test("wireStart: a number is a duration back from the call, grown by the time that passed; never zero", () => {
  assert.equal(wireStart({ since: 2000 }, 500).since, "-2501ms");
  assert.equal(wireStart({ since: 0 }).since, "-1ms");
  assert.equal(JSON.stringify(wireStart({ since: new Date(0) })), '{"since":"1970-01-01T00:00:00.000Z"}');
  assert.deepEqual(wireStart({ after: "c" }), { after: "c", since: undefined, last: undefined });
});

test("join: only messages of one event", () => {
  const wire = (id: string, batch?: string, more: Partial<WireEvent> = {}) =>
    toEvent(
      {
        cursor: "c" + id,
        resource: "a",
        type: "updated",
        id,
        date: "2026-01-01T00:00:00Z",
        payload: {},
        ...(batch && { batch }),
        ...more,
      },
      false,
      false,
    );
  const to = wire("1", "b");
  assert.equal(join(undefined, to), false);
  assert.equal(join(to, wire("2", "b")), true);
  assert.deepEqual([to.ids, to.id, to.cursor], [["1", "2"], "1", "c2"]);
  for (const other of [wire("3"), wire("3", "B"), wire("3", "b", { resource: "z" }), wire("3", "b", { type: "deleted" })])
    assert.equal(join(to, other), false);
  assert.equal(join(wire("1"), wire("2")), false);
});

test("finalCode: which close codes are not tried again", () => {
  for (const code of [1003, 1007, 1009, 4400, 4401, 4403]) assert.ok(finalCode(code), `${code}`);
  for (const code of [1000, 1001, 1002, 1005, 1006, 1011, 4408, 4409, 4429]) assert.equal(finalCode(code), undefined, `${code}`);
});

test("fullJitter: grows, is capped, uses the whole range", (t) => {
  const policy = fullJitter(250, 15_000);
  t.mock.method(Math, "random", () => 0.999999);
  assert.deepEqual(
    [0, 1, 2, 6, 50].map((n) => Math.round(policy(n))),
    [250, 500, 1000, 15_000, 15_000],
  );
  t.mock.method(Math, "random", () => 0);
  assert.equal(policy(5), 0);
});

test("LivebridgeError is an Error with a code", () => {
  const error = new LivebridgeError("expired", "gone");
  assert.ok(error instanceof Error);
  assert.deepEqual([error.name, error.code, error.message], ["LivebridgeError", "expired", "gone"]);
});
