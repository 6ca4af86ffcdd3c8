import type { LivebridgeError } from "./protocol.js";

/**
 * The state of the one connection.
 *
 * - `connecting`: opening for the first time.
 * - `live`: connected; what was subscribed before has been caught up.
 * - `resuming`: connected again, reading what was missed; or opening again at this moment.
 * - `offline`: the connection is lost and the next try waits for its time, for the network or for the page to be shown.
 * - `closed`: no connection and none wanted: nothing subscribed yet, the last subscription ended, `close()` was called,
 *   or the bridge refused for good (then `error` told why).
 */
export type State = "connecting" | "live" | "resuming" | "offline" | "closed";

/** An immutable snapshot of the connection; a new object for every change (fits `useSyncExternalStore`). */
export interface Status {
  readonly state: State;
  /** How many tries have followed the last connection that lasted (for 10 s). */
  readonly attempt: number;
  /** When the next try happens, in ms since 1970; undefined when none is planned. */
  readonly retryAt?: number | undefined;
}

/** Which events: of one resource (`"*"`: of all), of these types (none or `"*"`: all), about these records (none: all). */
export interface Filter {
  readonly resource: string;
  readonly types?: readonly string[] | undefined;
  /** Compared as strings: 0 and "0" are the same record. */
  readonly ids?: readonly (string | number)[] | undefined;
}

/** Where to start; at most one of the three. None: with the events from now on. */
export interface Start {
  /** Everything after this cursor. */
  readonly after?: string | undefined;
  /**
   * Everything stored at or after a time: a Date, RFC 3339 text, a duration back from when the bridge reads it ("-15m"),
   * or a number of ms back from the call of subscribe(). The number needs no exact clock, and time spent offline is added.
   */
  readonly since?: Date | string | number | undefined;
  /** The newest n that match. */
  readonly last?: number | undefined;
}

export interface SubscribeOptions extends Filter, Start {
  /** Called once, when the bridge has accepted the subscription and replay, if any, is over: from here nothing is missed. */
  readonly onLive?: (() => void) | undefined;
}

export type ResetReason = "expired" | "stream" | "limit";

/** Something of `type` happened to the records `ids` of `resource`. */
export interface LiveEvent<P = any> {
  readonly kind: "event";
  readonly resource: string;
  readonly type: string;
  /** The first of `ids`; "" where the event is about no particular record (anything in the resource may have changed). */
  readonly id: string;
  /**
   * All records of the event (the messages of one batch are joined), those that the subscription's `ids` let through;
   * empty where it is about no particular record.
   */
  readonly ids: readonly string[];
  readonly date: Date;
  readonly payload: P;
  /** The bytes of a payload that is not JSON, base64; `payload` is null then. */
  readonly raw?: string | undefined;
  readonly meta?: Readonly<Record<string, unknown>> | undefined;
  /** The session or service that caused it. */
  readonly origin?: string | undefined;
  readonly batch?: string | undefined;
  /** Position in the stream, opaque. */
  readonly cursor: string;
  /** `origin` is this client: its present session or one before a reconnect. */
  readonly own: boolean;
  /** Replayed from the stream (asked for by a start, or missed while disconnected), not live. */
  readonly replayed: boolean;
}

/** Events of a subscription were missed and cannot be replayed: read everything again. It is live from `cursor` on. */
export interface Reset {
  readonly kind: "reset";
  readonly reason: ResetReason;
  /** Filter of the subscription. */
  readonly resource: string;
  readonly types?: readonly string[] | undefined;
  readonly ids?: readonly string[] | undefined;
  readonly cursor: string;
}

export type Listener<P = any> = (message: LiveEvent<P> | Reset) => void;

export interface Handle {
  /** Ends the subscription. Idempotent, never throws. The listener is not called again. */
  close(): void;
}

export interface PublishEvent {
  readonly resource: string;
  readonly type: string;
  /** One record, or several with `ids`; neither: no particular record. */
  readonly id?: string | number | undefined;
  readonly ids?: readonly (string | number)[] | undefined;
  readonly payload?: unknown;
  readonly meta?: Readonly<Record<string, unknown>> | undefined;
  readonly date?: Date | string | undefined;
  /** The same key within the stream's duplicate window is stored once. Generated if missing. */
  readonly key?: string | undefined;
}

export interface Ack {
  readonly cursor: string;
  readonly duplicate: boolean;
}

export interface HistoryQuery extends Filter, Start {
  readonly limit?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface HistoryPage<P = any> {
  /** In stream order; the messages of one batch joined. */
  readonly events: readonly LiveEvent<P>[];
  /** Give it as `after` to read on. */
  readonly cursor: string;
  readonly more: boolean;
}

/** The bridge's codes, and the client's own: `closed` (close() was called), `timeout` (no answer in time), `failed` (anything else). */
export type ErrorCode =
  | "bad_frame"
  | "unknown_op"
  | "bad_request"
  | "bad_cursor"
  | "duplicate_sub"
  | "unknown_sub"
  | "unauthorized"
  | "forbidden"
  | "too_large"
  | "too_many"
  | "rate_limited"
  | "expired"
  | "unavailable"
  | "internal"
  | "closed"
  | "timeout"
  | "failed";

/** Why a token is asked for: a new connection, the present one expires soon, or the bridge refused it. */
export type TokenReason = "connect" | "expiring" | "refused";

/** How long to wait, in ms, before try number `attempt` (from 0) after the connection was lost. */
export type RetryPolicy = (attempt: number) => number;

/** What the client needs of a WebSocket class; the browser's, Node's (22 and later) and that of the `ws` package fit. */
export type WebSocketConstructor = new (url: string, protocols: string) => WebSocketLike;

export interface WebSocketLike {
  send(data: string): void;
  close(code?: number, reason?: string): void;
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
}

export interface ClientOptions {
  /**
   * Address of the bridge's WebSocket, `wss://live.example.com/v1/ws`. http(s) is taken as ws(s), a relative address is
   * resolved against the page, and an address without a path gets `/v1/ws`.
   */
  readonly url: string | URL;
  /** Address of `GET /v1/events` for history(). Default: `url` with `/ws` at its end replaced by `/events`. */
  readonly eventsUrl?: string | URL | undefined;
  /** Gives the token for a connection. null: none. A rejection is told as `error` and tried again. */
  readonly getToken?: ((why: TokenReason) => string | null | Promise<string | null>) | undefined;
  /** Default: the global one. Needed in Node before 22: `import { WebSocket } from "ws"`. */
  readonly WebSocket?: WebSocketConstructor | undefined;
  /** Default: `fullJitter(250, 15_000)`. */
  readonly retry?: RetryPolicy | undefined;
  /** How long, in ms, a subscription stays on the wire after its last handle closed, and the connection after its last subscription. Default 1000. */
  readonly linger?: number | undefined;
  /** How many calls of publish() may wait for their acknowledgement, connected or not. Default 1000; beyond, publish() rejects with `too_many`. */
  readonly queue?: number | undefined;
  /**
   * How long, in ms, publish() waits for its acknowledgement, time offline included. Default 60_000. Keep it below the
   * stream's duplicate window (2 min): that is what makes a repeated publish stored once.
   */
  readonly publishTimeout?: number | undefined;
}

/** What `on` can be asked to tell. */
export interface ClientEvents {
  /** The connection changed; `status.state` differs or another try was planned. */
  state: (state: State, status: Status) => void;
  /** A subscription got a reset; called after its listeners. Once per subscription on the wire. */
  reset: (reset: Reset) => void;
  /** Something was refused or failed. Without a listener it is written to console.warn. */
  error: (error: LivebridgeError) => void;
}

export interface Client {
  /** Synchronous, never throws; what the bridge refuses is told as `error`. Opens the connection if there is none. */
  subscribe<P = any>(options: SubscribeOptions, listener: Listener<P>): Handle;
  /**
   * Stores all events or none; resolves when they are on disk, with one ack per event, in order.
   * Rejects with a LivebridgeError. Works unbound. Waits while offline, up to `queue` calls and `publishTimeout`.
   */
  publish(events: PublishEvent | readonly PublishEvent[]): Promise<Ack[]>;
  /** Reads stored events over HTTP. Rejects with a LivebridgeError; code `expired`: the start is gone from the stream. */
  history<P = any>(query: HistoryQuery): Promise<HistoryPage<P>>;
  /** Listens; the returned function ends it. */
  on<K extends keyof ClientEvents>(name: K, listener: ClientEvents[K]): () => void;
  /** Ends all subscriptions, rejects what waits to be published (`closed`) and closes the connection. A later subscribe() opens it again. */
  close(): void;
  readonly state: State;
  readonly status: Status;
  /** This client's name in `origin`; undefined before the first connection. Kept while disconnected. */
  readonly session: string | undefined;
  /** How far the connection has been told everything live. */
  readonly cursor: string | undefined;
}
