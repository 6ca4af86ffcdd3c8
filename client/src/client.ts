// Everything with an effect: the socket, the timers, the page's events and HTTP.
import {
  LivebridgeError,
  SUBPROTOCOL,
  finalCode,
  join,
  matcher,
  parseFrame,
  toEvent,
  wirePublish,
  wireStart,
} from "./protocol.js";
import type { Matcher, ServerMessage, WireEvent } from "./protocol.js";
import { fullJitter } from "./retry.js";
import type {
  Ack,
  Client,
  ClientEvents,
  ClientOptions,
  ErrorCode,
  Listener,
  LiveEvent,
  Reset,
  Start,
  State,
  Status,
  WebSocketLike,
} from "./types.js";

const ANSWER = 10_000; // ms for the way from a new socket to `connected`
const PROBE = 5_000; // ms for a sign of life after the page or the network came back
const BATCH = 20; // ms to wait for more messages of one event
const GOING_AWAY = 1_000; // ms over which the clients of a draining bridge spread their return
const AGAIN = 1_000; // ms at least before what was refused for the moment is sent again
const GOOD = 10_000; // ms a connection must have lasted for the retries to start over

// Names that end in _ are properties that the build makes short.

/** What waits for answers under its name: a publish, or a subscription on the wire, shared by all who asked for the same. */
interface Item {
  /** Sends it, or opens the connection that will; again on every connection until it is over. */
  readonly send: Later;
  /** Takes a message that carries its name. */
  hear_(message: ServerMessage): void;
  /** Ends it for those who wait. */
  end(error: LivebridgeError): void;
}
interface Sub extends Item, Matcher {
  readonly startKey_: string;
  /** true: live; false: on the way; undefined: refused. */
  live: boolean | undefined;
  /** How far it has been told everything; undefined until the bridge accepted it. */
  cursor: string | undefined;
  users_: readonly User[];
  take_(wire: WireEvent, replayed: boolean): void;
  endBatch_(): void;
  enter_(user: User): void;
  leave_(): void;
}
/** A function that `after` can call later. */
interface Later {
  (): void;
  timer_?: ReturnType<typeof setTimeout> | undefined;
}
interface User {
  sub?: Sub | undefined;
  readonly listener: Listener;
  onLive: (() => void) | undefined;
}

/** Refusals that the bridge itself calls passing: send it again later. */
const passing = ({ code }: { code: ErrorCode }) => /^(ra|una?v|int)/.test(code);
const failure = (code: ErrorCode, cause: any) => new LivebridgeError(code, cause);

/** Calls a stranger's function; what it throws reaches the page's error handler and not our loop. */
const call = <A extends unknown[]>(f: ((...args: A) => void) | undefined, ...args: A) => {
  try {
    f?.(...args);
  } catch (e) {
    queueMicrotask(() => {
      throw e;
    });
  }
};

/** Makes a client. Touches no network and no global before the first subscribe(), publish() or history(). */
export function createClient(options: ClientOptions): Client {
  const { getToken, retry = fullJitter(), linger = 1000, queue = 1000, publishTimeout = 60_000 } = options;
  const items = new Map<string, Item>();
  const sessions = new Set<string | undefined>();
  const hearers: { [K in keyof ClientEvents]: Set<ClientEvents[K]> } = { state: new Set(), reset: new Set(), error: new Set() };
  const prefix = Date.now() + Math.random().toString(36); // of the keys of what is published

  let subs: readonly Sub[] = []; // replaced, never changed, so that loops over it are safe; so are the users of each
  let status: Status = { state: "closed", attempt: 0 };
  let connection: object | undefined; // the present try or connection; what an older one still says is not heard
  let socket: WebSocketLike | undefined;
  let up = 0; // when `connected` came; 0: not connected
  let session: string | undefined; // kept while disconnected
  let cursor: string | undefined;
  let token: string | null | undefined;
  let refused: string | null | undefined; // the token of the last 4401, until a connection succeeds
  let renewMs = 0;
  let attempt = 0;
  let names = 0;
  let silence = 0; // ms without a word after which the connection is dead
  let maxFrame = 65_536;
  let out = "";
  let outSize = 0;

  /** Calls f once, in ms; moves the call that is due already, or (without ms) calls it off. */
  const after = (f: Later, ms?: number) => {
    clearTimeout(f.timer_);
    f.timer_ = undefined;
    if (ms != null)
      f.timer_ = setTimeout(
        () => {
          f.timer_ = undefined;
          f();
        },
        Math.min(ms, 2e9),
      );
  };
  const emit = <K extends keyof ClientEvents>(name: K, ...args: Parameters<ClientEvents[K]>) =>
    hearers[name].forEach((f) => call(f as (...args: unknown[]) => void, ...args));
  const report = (error: LivebridgeError) => (hearers.error.size ? emit("error", error) : console.warn(error));
  const setState = (state: State, retryAt?: number) => {
    for (const type of ["online", "offline", "pagehide", "pageshow", "visibilitychange"])
      (globalThis as any)[state == "closed" ? "removeEventListener" : "addEventListener"]?.(type, onPage);
    emit("state", state, (status = { state, attempt, retryAt }));
  };

  const flush = () => {
    if (out) socket!.send(out);
    out = "";
    outSize = 0;
  };
  /** Sends at the end of this turn, many messages in one frame; a frame over the limit would end the connection for good. */
  const send = (text: string, fail: (error: LivebridgeError) => void = report) => {
    const size = new TextEncoder().encode(text).length + 1;
    if (size > maxFrame) return fail(failure("too_large", size + " bytes of " + maxFrame));
    if (outSize + size > maxFrame) flush();
    out += text + "\n";
    outSize += size;
    queueMicrotask(flush);
  };

  // --- subscriptions

  const tellLive = (user: User) => {
    const { onLive } = user;
    user.onLive = undefined;
    if (user.sub) call(onLive);
  };
  const createSub = (filter: Matcher, start: Start, startKey: string) => {
    const name = "" + names++;
    const asked = Date.now();
    let batch: LiveEvent | undefined;

    const deliver = (message: LiveEvent | Reset) => sub.users_.forEach((user) => user.sub && call(user.listener, message));
    const reset = (reason: Reset["reason"], cursor: string) => {
      const notice: Reset = { kind: "reset", reason, ...filter.filter, cursor };
      sub.endBatch_();
      deliver(notice);
      emit("reset", notice);
    };
    /** Hands the users to a live twin, if there is one: both are told the same from here on. */
    const goLive = () => {
      const twin = subs.find((s) => s != sub && s.live && s.key == sub.key);
      if (twin) [sub, twin].forEach((s) => s.endBatch_());
      sub.live = true;
      for (const user of sub.users_) {
        tellLive(user);
        if (twin && user.sub) twin.enter_(user);
      }
      if (twin) drop();
      caughtUp();
    };
    const refuse = (error: LivebridgeError) => {
      sub.live = undefined;
      report(error);
      if (passing(error)) after(sub.send, AGAIN + retry(0));
      caughtUp();
    };
    const drop: Later = () => {
      after(drop);
      after(sub.send);
      subs = subs.filter((s) => s != sub);
      items.delete(name);
      if (up && sub.live != null) send(JSON.stringify({ op: "unsubscribe", sub: name }));
      idle();
      caughtUp();
    };

    const sub: Sub = {
      ...filter,
      startKey_: startKey,
      live: false,
      cursor: undefined,
      users_: [],
      send() {
        after(sub.send);
        sub.live = false;
        if (!up) return open();
        const from = sub.cursor ? { after: sub.cursor } : wireStart(start, Date.now() - asked);
        send(JSON.stringify({ op: "subscribe", sub: name, ...filter.filter, ...from }), refuse);
      },
      hear_(m) {
        if (m.op == "error") return refuse(failure(m.code, m));
        // Where the start was not honoured, a reset follows; should that get lost, the same start gets it again.
        if (m.op != "subscribed" || m.recovered) sub.cursor = (m as { cursor: string }).cursor;
        if (m.op == "event") sub.take_(m, true);
        if (m.op == "reset") reset(m.reason, m.cursor);
        if (m.op == "reset" || m.op == "live") goLive();
      },
      take_(wire, replayed) {
        const event = toEvent(wire, sessions.has(wire.origin), replayed);
        if (!join(batch, event)) {
          sub.endBatch_();
          batch = event;
        }
        event.batch ? after(sub.endBatch_, BATCH) : sub.endBatch_();
      },
      endBatch_() {
        const event = batch;
        batch = undefined;
        if (event) deliver(event);
      },
      enter_(user) {
        after(drop);
        user.sub = sub;
        sub.users_ = [...sub.users_, user];
      },
      leave_() {
        sub.users_ = sub.users_.filter((user) => user.sub);
        if (!sub.users_.length) after(drop, linger);
      },
      end() {
        for (const user of sub.users_) user.sub = undefined;
        drop();
      },
    };
    subs = [...subs, sub];
    items.set(name, sub);
    return sub;
  };

  const caughtUp = () => {
    if (up && status.state != "live" && subs.every((s) => s.live != false)) setState("live");
  };

  // --- the connection

  const handle = (m: ServerMessage) => {
    const name = (m as { sub?: string }).sub ?? (m as { ref?: string }).ref;
    if (m.op == "connected") {
      if (getToken && m.expires) {
        renewMs = Math.max(1000, (Date.parse(m.expires) - Date.now()) * 0.75);
        after(renew, renewMs);
      }
      if (up) return; // said again: the fresh token's expiry is all that is new
      sessions.add((session = m.session));
      silence = m.ping * 2000;
      maxFrame = m.limits.frame;
      cursor = m.cursor;
      up = Date.now();
      refused = undefined;
      items.forEach((i) => i.send());
      caughtUp();
    } else if (name != null) items.get(name)?.hear_(m);
    else if (m.op == "error") report(failure(m.code, m));
    else if (m.op == "event" || (m.op == "ping" && m.cursor)) {
      cursor = m.cursor;
      for (const s of subs)
        if (s.live) {
          s.cursor = cursor;
          if (m.op == "event" && s.match(m)) s.take_(m, false);
        }
    }
  };

  const die: Later = () => lost(1006);

  /** Sends a fresh token on the open socket, in time before the present one expires. */
  const renew: Later = async () => {
    const mine = connection;
    let fresh;
    try {
      fresh = await getToken!("expiring");
    } catch (e) {
      report(failure("failed", e));
    }
    if (mine != connection) return;
    if (fresh && fresh != token) send(JSON.stringify({ op: "token", token: (token = fresh) }));
    after(renew, renewMs);
  };

  /** Forgets the socket without waiting for its goodbye, which from a dead peer takes minutes. */
  const detach = (state: State, retryAt?: number) => {
    const old = socket;
    connection = socket = undefined;
    up = outSize = 0;
    out = "";
    [open, die, renew].forEach((f) => after(f));
    for (const s of subs) s.live = false;
    old?.close();
    setState(state, retryAt);
  };
  /** Closes the connection if nobody needs it. */
  const idle: Later = () => {
    if (!items.size && status.state != "closed") detach("closed");
  };
  const giveUp = (code: number, reason?: string) => {
    const error = failure(finalCode(code)!, `closed: ${code} ${reason}`);
    detach("closed");
    items.forEach((i) => subs.includes(i as Sub) || i.end(error));
    report(error);
  };
  const tryAgain = (ms = retry(attempt++)) => {
    detach("offline", Date.now() + ms);
    after(open, ms);
  };
  const lost = (code: number, reason?: string) => {
    if (up && Date.now() - up > GOOD) attempt = 0;
    if (code == 4401 && getToken) refused = token;
    else if (finalCode(code)) return giveUp(code, reason);
    tryAgain(code == 1001 ? Math.random() * GOING_AWAY : undefined);
  };

  const open: Later = async () => {
    if (connection || open.timer_) return;
    const mine = (connection = {});
    const here = () => mine == connection;
    setState(session ? "resuming" : "connecting");
    try {
      const fresh = (await getToken?.(refused === undefined ? "connect" : "refused")) || null;
      if (!here()) return;
      token = fresh;
      if (token === refused) return giveUp(4401, "with the same token");
      const ws = (socket = new (options.WebSocket ?? WebSocket)(address(), SUBPROTOCOL));
      ws.onopen = () => here() && ws.send(JSON.stringify({ op: "connect", token: token ?? undefined }));
      ws.onclose = (e: { code: number; reason: string }) => here() && lost(e.code, e.reason);
      ws.onerror = () => {};
      ws.onmessage = (e: { data: string }) => {
        if (!here()) return;
        try {
          for (const m of parseFrame(e.data)) if (here()) handle(m);
          if (here() && up) after(die, silence);
        } catch (e) {
          report(failure("bad_frame", e));
          lost(1002);
        }
      };
      after(die, ANSWER);
    } catch (e) {
      if (!here()) return;
      report(failure("failed", e));
      tryAgain();
    }
  };
  const address = () => new URL(options.url, globalThis.location?.href).href.replace(/^http/, "ws");

  // --- the page

  const onPage = ({ type }: { type: string }) => {
    // An open socket would keep a page that is left out of the back-forward cache.
    if (type == "pagehide") detach("offline");
    else if (type == "visibilitychange" && document.hidden) return;
    else if (up) {
      send('{"op":"ping"}');
      after(die, PROBE);
    } else if (status.state == "offline" && type != "offline") {
      attempt = 0;
      after(open);
      open();
    }
  };

  return {
    subscribe({ after, since, last, onLive, ...which }, listener) {
      const filter = matcher(which);
      const start: Start = { after, since, last };
      const startKey = JSON.stringify(start);
      let sub = subs.find(
        (s) =>
          s.key == filter.key &&
          s.live != null &&
          (s.startKey_ == startKey ? startKey == "{}" || !s.cursor : startKey == "{}" && s.live),
      );
      if (!sub) {
        sub = createSub(filter, start, startKey);
        sub.send();
      }
      const user: User = { listener, onLive };
      sub.enter_(user);
      open(); // also where it shares one that a refusal for good has left waiting
      if (sub.live) queueMicrotask(() => tellLive(user));
      return {
        close() {
          const { sub } = user;
          user.sub = undefined;
          sub?.leave_();
        },
      };
    },

    publish: (events) =>
      new Promise<Ack[]>((resolve, reject) => {
        if (items.size - subs.length >= queue) throw failure("too_many", "queue is full");
        const ref = "" + names++;
        let text: string;
        try {
          text = wirePublish(ref, events, prefix);
        } catch (e) {
          throw failure("bad_request", e);
        }
        const end = (error?: LivebridgeError, acks?: Ack[]) => {
          after(expire);
          after(item.send);
          items.delete(ref);
          error ? reject(error) : resolve(acks!);
          after(idle, linger);
        };
        let why = failure("timeout", "not acknowledged");
        const expire: Later = () => end(why);
        const item: Item = {
          send() {
            after(item.send);
            up ? send(text, end) : open();
          },
          hear_(m) {
            if (m.op != "error") end(undefined, (m as { events: Ack[] }).events);
            else if (passing((why = failure(m.code, m)))) after(item.send, AGAIN + retry(0));
            else end(why);
          },
          end,
        };
        items.set(ref, item);
        after(expire, publishTimeout);
        item.send();
      }),

    async history({ resource, types, ids, limit, signal, ...start }) {
      // Through JSON: it leaves out what is undefined, and makes text of a Date.
      const params = new URLSearchParams(JSON.parse(JSON.stringify({ resource, limit, ...wireStart(start) })));
      types?.forEach((type) => params.append("type", type));
      ids?.forEach((id) => params.append("id", id as string));
      const bearer = token ?? (await getToken?.("connect"));
      const target = `${options.eventsUrl ?? address().replace(/ws$/, "events")}`.replace(/^ws/, "http");
      const response = await fetch(target + "?" + params, {
        signal: signal!,
        headers: bearer ? { Authorization: "Bearer " + bearer } : {},
      }).catch((e) => {
        throw failure("unavailable", e);
      });
      const { error, events, ...page } = await response.json().catch(() => ({}));
      if (!events) throw failure(error?.code ?? "failed", error ?? "HTTP " + response.status);
      const joined: LiveEvent[] = [];
      for (const wire of events) {
        const event = toEvent(wire, sessions.has(wire.origin), true);
        if (!join(joined.at(-1), event)) joined.push(event);
      }
      return { events: joined, ...page };
    },

    on(name, listener) {
      hearers[name].add(listener);
      return () => void hearers[name].delete(listener);
    },
    close() {
      items.forEach((i) => i.end(failure("closed", "closed")));
      after(idle);
      idle();
    },
    get state() {
      return status.state;
    },
    get status() {
      return status;
    },
    get session() {
      return session;
    },
    get cursor() {
      return cursor;
    },
  };
}
