// A WebSocket without a network, scripted by the test: for what a real bridge cannot be made to do on demand.
import { mock } from "node:test";
import type { WebSocketLike } from "../src/types.js";

export const sockets: FakeSocket[] = [];
export const newest = () => sockets[sockets.length - 1]!;
export const frames = (socket = newest()) => socket.sent.flatMap((f) => f.trim().split("\n")).map((line) => JSON.parse(line));
export const of = (op: string, socket = newest()) => frames(socket).filter((m) => m.op == op);

export class FakeSocket implements WebSocketLike {
  onopen: WebSocketLike["onopen"] = null;
  onmessage: WebSocketLike["onmessage"] = null;
  onclose: WebSocketLike["onclose"] = null;
  onerror: WebSocketLike["onerror"] = null;
  readonly sent: string[] = [];
  closed = false;
  constructor(
    readonly url: string,
    readonly protocol: string,
  ) {
    sockets.push(this);
  }
  send(data: string) {
    this.sent.push(data);
  }
  close() {
    this.closed = true;
  }
  say(...messages: object[]) {
    this.onmessage?.({ data: messages.map((m) => JSON.stringify(m)).join("\n") });
  }
  drop(code = 1006, reason = "") {
    this.onclose?.({ code, reason });
  }
  /** Opens and answers `connect`. */
  accept(more: object = {}) {
    this.onopen?.({});
    this.say({
      op: "connected",
      session: "s" + sockets.indexOf(this),
      cursor: "c0",
      ping: 25,
      limits: { frame: 65536 },
      ...more,
    });
  }
  /** Accepts every subscription not yet accepted. */
  accepted = 0;
  subscribed(cursor = "c1", recovered = true) {
    const subs = of("subscribe", this).slice(this.accepted);
    this.accepted += subs.length;
    for (const { sub } of subs) this.say({ op: "subscribed", sub, recovered, cursor }, { op: "live", sub, cursor });
  }
}

/** Lets promises and microtasks run; virtual time stands still. */
export const settle = async () => {
  for (let i = 0; i < 3; i++) await new Promise((done) => setImmediate(done));
};
/** Virtual time goes on. */
export const pass = async (ms: number) => {
  mock.timers.tick(ms);
  await settle();
};

let n = 0;
export const event = (more: object = {}) => ({
  op: "event",
  cursor: "e" + ++n,
  resource: "products",
  type: "updated",
  id: "42",
  date: "2026-11-25T14:00:00.123Z",
  payload: { price: n },
  ...more,
});
