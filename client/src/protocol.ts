// The wire language livebridge.v1: parsing, writing and matching. Pure: no clock, no timers, no network.
import type { Ack, ErrorCode, Filter, LiveEvent, PublishEvent, ResetReason, Start } from "./types.js";

export const SUBPROTOCOL = "livebridge.v1";

/** What the client reports: a refusal by the bridge, or a failure of its own. `code` is stable, `message` is for people. */
export class LivebridgeError extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, cause: string | { message: string }) {
    super((cause as Error).message ?? cause);
    this.name = "LivebridgeError";
    this.code = code;
  }
}

/** An event as it is on the wire, in history and in SSE data. */
export interface WireEvent {
  cursor: string;
  resource: string;
  type: string;
  id: string;
  date: string;
  payload: unknown;
  raw?: string;
  meta?: Record<string, unknown>;
  origin?: string;
  batch?: string;
}

export type ServerMessage =
  | { op: "connected"; session: string; cursor: string; ping: number; limits: { frame: number }; expires?: string }
  | { op: "subscribed"; sub: string; recovered: boolean; cursor: string }
  | ({ op: "event"; sub?: string } & WireEvent)
  | { op: "live"; sub: string; cursor: string }
  | { op: "unsubscribed"; sub: string }
  | { op: "reset"; sub: string; reason: ResetReason; cursor: string }
  | { op: "published"; ref: string; events: Ack[] }
  | { op: "ping"; cursor?: string }
  | { op: "pong" }
  | { op: "error"; sub?: string; ref?: string; code: ErrorCode; message: string };

/** Reads one frame: JSON objects separated by newlines, of which JSON has none inside. Throws on what is not. An unknown `op` is for the caller to ignore. */
export const parseFrame = (frame: string): ServerMessage[] => JSON.parse(`[${frame.trim().replace(/\n+/g, ",")}]`);

/** A filter made ready: everything text, sorted, without repeats; undefined = all. Equal filters have equal keys. */
export interface Matcher {
  readonly key: string;
  readonly filter: { readonly resource: string; readonly types: string[] | undefined; readonly ids: string[] | undefined };
  readonly match: (event: Pick<WireEvent, "resource" | "type" | "id">) => boolean;
}

const texts = (list?: readonly unknown[]) => (list?.length ? [...new Set(list.map(String))].sort() : undefined);

export function matcher(f: Filter): Matcher {
  const types = f.types?.includes("*") ? undefined : texts(f.types);
  const ids = texts(f.ids);
  const idSet = new Set(ids);
  const filter = { resource: f.resource, types, ids };
  return {
    key: JSON.stringify(filter),
    filter,
    match: (e) =>
      (f.resource == "*" || f.resource == e.resource) && (!types || types.includes(e.type)) && (!ids || !e.id || idSet.has(e.id)),
  };
}

/**
 * The start as the wire wants it. `elapsed`: ms since the caller asked, added to a `since` that is a number; one more, since the bridge
 * takes no zero. A Date becomes text in JSON.
 */
export const wireStart = ({ after, since, last }: Start, elapsed = 0) => ({
  after,
  since: typeof since == "number" ? `-${since + elapsed + 1}ms` : since,
  last,
});

/** One publish. `prefix` and a number make the key of an event that has none. Throws where JSON.stringify does. */
export const wirePublish = (ref: string, events: PublishEvent | readonly PublishEvent[], prefix: string) =>
  JSON.stringify({
    op: "publish",
    ref,
    events: ([] as PublishEvent[]).concat(events).map((e, n) => ({ ...e, key: e.key ?? prefix + ref + "-" + n })),
  });

/** An event as listeners get it; a new object, so that `join` may grow it. */
export function toEvent(wire: WireEvent & { op?: string; sub?: string }, own: boolean, replayed: boolean): LiveEvent {
  const { op, sub, ...event } = wire;
  return { kind: "event", ...event, ids: event.id ? [event.id] : [], date: new Date(event.date), own, replayed };
}

/** Grows `to` by `next` and says true, if both are messages of one event about several records. */
export function join(to: LiveEvent | undefined, next: LiveEvent): boolean {
  if (!to?.batch || to.batch != next.batch || to.resource != next.resource || to.type != next.type) return false;
  (to.ids as string[]).push(...next.ids);
  (to as { cursor: string }).cursor = next.cursor;
  return true;
}

/** What a close code means after which trying again is pointless; undefined: try. 4401 is only final as long as the token is the same. */
export const finalCode = (close: number): ErrorCode | undefined =>
  close == 4401 ? "unauthorized" : close == 4403 ? "forbidden" : /100[379]|4400/.test(`${close}`) ? "bad_frame" : undefined;
