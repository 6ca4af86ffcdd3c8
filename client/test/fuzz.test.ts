// Frames that no test thought of: generated, and damaged. A failure names its seed; FUZZ_SEED=n npm run unit repeats it, FUZZ_ROUNDS does more.
import assert from "node:assert/strict";
import { test, mock } from "node:test";
import { createClient } from "../src/client.js";
import { parseFrame } from "../src/protocol.js";
import { FakeSocket, event, newest, pass, settle, sockets } from "./fake.js";

const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 1e9);
const rounds = Number(process.env.FUZZ_ROUNDS ?? 3000);

/** Numbers below n, always the same for a seed (mulberry32). */
const random = (state: number) => (n: number) => {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) % n;
};
type Random = ReturnType<typeof random>;
const pick = <T>(r: Random, list: readonly T[]) => list[r(list.length)]!;

const texts = ["", "0", "1", "products", "a\nb", "\u2028\u2029", '"\\', "},{", "][", "\ud83d\ude00", "\ud800", "\u0000", "__proto__", "constructor", "*", "x".repeat(2000)];
const value = (r: Random, depth = 0): unknown => {
  const kind = r(depth > 3 ? 5 : 7);
  if (kind == 5) return Array.from({ length: r(4) }, () => value(r, depth + 1));
  if (kind == 6) return Object.fromEntries(Array.from({ length: r(4) }, () => [pick(r, texts), value(r, depth + 1)]));
  return [null, r(2) == 1, r(1000) / 7, pick(r, texts), pick(r, texts)][kind];
};
const ops = ["connected", "subscribed", "event", "live", "unsubscribed", "reset", "published", "ping", "pong", "error", "unheard of"];
const fields = ["sub", "ref", "cursor", "session", "ping", "limits", "expires", "recovered", "reason", "events", "code", "message"];
/** A message with the fields that a bridge sends, some missing, some not what they should be. */
const message = (r: Random) => {
  const m: Record<string, unknown> = { op: pick(r, ops) };
  if (m.op == "event")
    Object.assign(m, { resource: pick(r, ["products", "orders"]), type: "updated", id: pick(r, texts), date: "2026-11-25T14:00:00Z", payload: value(r) });
  for (const f of fields) if (r(3) == 0) m[f] = r(2) ? pick(r, ["0", "1", "c1"]) : value(r);
  return m;
};
const space = (r: Random) => pick(r, ["", "", " ", "\t", "\r"]);
const frameOf = (r: Random, messages: object[]) =>
  messages.map((m) => "\n".repeat(r(3)) + space(r) + JSON.stringify(m) + space(r)).join("\n") + "\n".repeat(r(3));

test(`parseFrame gives every message of a frame, seed ${seed}`, () => {
  const r = random(seed);
  for (let i = 0; i < rounds; i++) {
    const messages = Array.from({ length: r(6) }, () => message(r));
    const frame = frameOf(r, messages);
    assert.deepEqual(parseFrame(frame), JSON.parse(JSON.stringify(messages)), JSON.stringify(frame));
  }
});

/** Cuts, doubles, swaps or overwrites a part of a text. */
const damaged = (r: Random, frame: string) => {
  for (let n = r(4); n > 0 && frame; n--) {
    const at = r(frame.length);
    const part = frame.slice(at, at + 1 + r(20));
    const by = pick(r, ["", part + part, pick(r, ["{", "}", "[", "]", '"', ",", ":", "null", "1e999", "\n", "\\", "\ufffd"]), [...part].reverse().join("")]);
    frame = frame.slice(0, at) + by + frame.slice(at + part.length);
  }
  return frame;
};

test(`a client takes whatever comes, and goes on, seed ${seed}`, async () => {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000_000_000 });
  sockets.length = 0;
  const r = random(seed);
  const errors: string[] = [];
  const client = createClient({ url: "http://bridge.test/v1/ws", WebSocket: FakeSocket });
  client.on("error", (e) => errors.push(e.code));
  try {
    for (let i = 0; i < rounds / 10; i++) {
      let heard = 0;
      const handle = client.subscribe({ resource: "products" }, () => heard++);
      await settle();
      newest().accept();
      await settle();
      newest().subscribed();
      newest().say(event({ id: "1" }));
      assert.equal(heard, 1);
      for (let n = r(10); n > 0; n--) {
        const frame = frameOf(r, Array.from({ length: 1 + r(3) }, () => message(r)));
        newest().onmessage!({ data: r(2) ? frame : damaged(r, frame) });
        await settle();
      }
      handle.close();
      assert.ok(JSON.stringify(client.state).length < 100);
      await pass(60_000);
    }
    // Whatever it went through: a fresh connection delivers.
    const ids: string[] = [];
    client.subscribe({ resource: "at last" }, (m) => void (m.kind == "event" && ids.push(...m.ids)));
    await settle();
    newest().accept();
    await settle();
    newest().subscribed();
    newest().say({ op: "event", cursor: "z", resource: "at last", type: "created", id: "7", date: "2026-11-25T14:00:00Z", payload: 1 });
    assert.deepEqual(ids, ["7"]);
    assert.ok(errors.includes("bad_frame"), "nothing that was sent was bad");
    assert.equal(({} as Record<string, unknown>).sub, undefined);
  } finally {
    client.close();
    mock.timers.reset();
  }
});
