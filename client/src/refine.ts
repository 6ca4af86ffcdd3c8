// The live provider of Refine. An adapter: the client holds the connection, Refine reads again.
import type { LiveEvent as RefineEvent, LiveProvider } from "@refinedev/core";
import type { Client, LiveEvent, Reset, Start } from "./types.js";

const HOLE = 2_000; // ms: a hook also gets what happened this long before it came, lest it fall between its first read and its subscription
const PATIENCE = 5_000; // ms to wait for a read under way before it is started over
const STORM = 20; // events in a window, or at once, beyond which the window is made three times as long
const RECHECK = 20; // ms between two looks at what is waited for

/** What is used of TanStack Query's QueryClient. */
export interface QueryClientLike {
  getQueryCache(): any;
  invalidateQueries(...args: any[]): Promise<void>;
}

export interface LiveProviderOptions {
  /**
   * The app's QueryClient, the one in `reactQuery.clientConfig` of <Refine>. With it, one event makes each query read once
   * however many hooks there are, a read under way is finished and then repeated instead of cancelled, and an event about
   * a record reaches the hook that shows it now. Without it: what Refine does by itself, and no `hold`.
   *
   * Refine's defaults go to a QueryClient of its own making only; give yours `refetchOnWindowFocus: false` and
   * `placeholderData: keepPreviousData`, and `refetchOnReconnect: false`, since what was missed is told anyway.
   */
  readonly queryClient?: QueryClientLike | undefined;
  /**
   * The first event goes to the hooks at once, those of the next so many ms as one (three times as many where more than 20
   * come, or came at once). Default 100; 0: each by itself.
   */
  readonly window?: number | undefined;
  /** Whether hooks also get the events that this page caused. Default false: Refine has read again already. */
  readonly echo?: boolean | undefined;
  /** Whether what Refine's mutations tell is published from the page. Default true; set false where the backend publishes. */
  readonly publish?: boolean | undefined;
  /** Names in Refine's `meta` that are published. Default `["dataProviderName"]`; the rest stays here: it has the page's URL parameters. */
  readonly meta?: readonly string[] | undefined;
  /** Gets what went wrong. Default: console.warn, each message once, not in production. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** What `liveParams` of a data hook and `params` of useSubscription may hold. */
export interface LiveParams extends Start {
  /** Only events about these records. */
  readonly ids?: (string | number)[];
  /** While it returns true, what the hook shows is not read again: a form being filled in. Asked often, must be quick. */
  readonly hold?: () => boolean | undefined;
  readonly [name: string]: any;
}

/** A hook that is subscribed. */
interface Hook {
  readonly channel: string;
  readonly resource: string;
  readonly dataProviderName: string | undefined;
  /** The records it asked for when it came; undefined: a list, which any record concerns. */
  readonly ids: string[] | undefined;
  readonly hold: (() => boolean) | undefined;
  readonly callback: (event: RefineEvent) => void;
  /** What it has not been told yet. */
  messages: (LiveEvent | Reset)[];
}

const warned = new Set<string>();
const warn = (error: unknown) => {
  try {
    // Bundlers put a literal here; in a browser without one there is no process.
    if (process.env.NODE_ENV == "production" || warned.has(`${error}`)) return;
    console.warn("livebridge:", error);
    warned.add(`${error}`);
  } catch {}
};

/** Throws nothing into React and lets no hook stop another: it goes to the page as an unhandled rejection. */
const attempt = <T>(f: () => T): T | undefined => {
  try {
    return f();
  } catch (e) {
    Promise.reject(e);
  }
};

/** Messages as one event of Refine; `ids: []` where it is about no particular record. */
const toRefine = (channel: string, events: readonly any[]): RefineEvent => {
  const { type, payload = {}, date = new Date(), meta } = events.at(-1);
  return {
    channel,
    type: (events.every((m) => m.type == type) && type) || "*",
    payload: {
      ...(events[1] ? {} : typeof payload != "object" || Array.isArray(payload) ? { data: payload } : payload),
      ids: events.every((m) => m.ids?.length) ? [...new Set(events.flatMap((m) => m.ids))] : [],
    },
    date,
    meta: { ...meta, events },
  };
};

/** The records that a query shows; undefined: a list. Refine leaves the id 0 out of the key. */
const shown = ({ queryKey: [, , , action, id] }: any): string[] | undefined => (/^(one|many)/.test(action) ? [id ?? 0].flat().map(String) : undefined);

/** Whether two lists of records have one in common. An empty first or no second: any. */
const meet = (a: readonly string[] | undefined, b: readonly string[] | undefined) => !a?.[0] || !b || a.some((id) => b.includes(id));

/**
 * Makes the live provider. Touches nothing before the first subscription.
 *
 * Hooks subscribe to their whole resource, and which record concerns whom is decided here, by the queries that are active.
 * `meta.events` of what a hook is told has the events as the client got them (LiveEvent or Reset), one or, of a window, several:
 * then `payload` has `ids` alone, and `type` is "*" unless all agree.
 */
export function liveProvider(client: Client, options: LiveProviderOptions = {}): LiveProvider {
  const { queryClient, window: ms = 100, echo, publish = true, meta: names = ["dataProviderName"], onError = warn } = options;
  const hooks = new Set<Hook>();
  const busy = new Set<string>(); // resources of which a delivery is planned
  const waiting = new Set<unknown>(); // queries that are to be read again, but not yet

  const some = (test: (hook: Hook) => unknown) => [...hooks].some(test);
  const find = (filters: object): any[] => queryClient?.getQueryCache().findAll({ ...filters, type: "active" }) ?? [];
  const resourceOf = (channel: string) => {
    const resource = `${channel}`.replace(/^(resources\/)?(undefined$)?/, "");
    if (!resource) onError(`no resource in "${channel}"`);
    return resource;
  };

  /** The records that concern a hook: what it asked for and what no hook asked for; or all that is shown, if its own are gone. undefined: any. */
  const wanted = ({ resource, dataProviderName, ids }: Hook) => {
    if (!ids) return;
    // Refine does not subscribe again when the id changes: what counts is the queries that are active now.
    const now = find({ queryKey: ["data", dataProviderName] }).flatMap((query) => {
      const name = query.queryKey[2]; // the resource's name or its identifier, which a subscription does not tell
      return ((name == resource || !some((h) => h.resource == name)) && shown(query)) || [];
    });
    return now[0] && !meet(now, ids) ? now : ids.concat(now.filter((id) => !some((h) => h.resource == resource && h.ids?.includes(id))));
  };

  /** Has a query read again, once the read under way is over and nobody holds it. One that waits already is enough. */
  const refetch = async (query: any, resource: string) => {
    if (waiting.has(query)) return;
    waiting.add(query);
    await 0; // until all hooks have said so
    const end = Date.now() + PATIENCE;
    const held = (h: Hook) => h.resource == resource && attempt(() => h.hold?.()) && !h.ids == !shown(query) && meet(shown(query), wanted(h));
    // The very first read cannot be started over: it is waited for to the end.
    while (some(held) || (query.state.fetchStatus == "fetching" && (Date.now() < end || query.state.data === undefined))) await new Promise((done) => setTimeout(done, RECHECK));
    waiting.delete(query);
    queryClient!.invalidateQueries({ queryKey: query.queryKey, exact: true, type: "active" });
  };

  const deliver = (resource: string, waited?: number) => {
    // A storm: let more of it come, after a window that was short, or after what was told at once.
    const storm = some((h) => h.resource == resource && h.messages[STORM]);
    if (ms && storm && waited == ms) return setTimeout(deliver, 2 * ms, resource, 3 * ms);
    const next = storm && !waited ? 3 * ms : ms;
    let ids: string[];
    const original = queryClient?.invalidateQueries;
    // Each hook has Refine read the whole resource again, and @refinedev/core 5.0.12 starts all reads over for each: note them instead.
    if (queryClient)
      queryClient.invalidateQueries = async (filters, ...rest) => {
        if (filters?.type != "active") return original!.call(queryClient, filters, ...rest);
        for (const query of find(filters)) if (meet(ids, shown(query))) refetch(query, resource);
      };
    busy.delete(resource);
    try {
      for (const hook of hooks)
        if (hook.resource == resource) {
          const which = wanted(hook);
          const messages = hook.messages.splice(0).filter((m) => meet(m.ids, which));
          for (const part of ms ? [messages] : messages.map((m) => [m]))
            if (part[0] && hooks.has(hook)) {
              busy.add(resource);
              const event = toRefine(hook.channel, part);
              ids = event.payload.ids as string[];
              attempt(() => hook.callback(event));
            }
        }
    } finally {
      if (queryClient) queryClient.invalidateQueries = original!;
    }
    if (busy.has(resource)) setTimeout(deliver, next, resource, next);
  };

  return {
    subscribe: ({ channel, types, callback, params = {}, meta = {} }) =>
      attempt(() => {
        const resource = resourceOf(channel);
        if (!resource) return;
        const { subscriptionType, ids, id, hold, after, last, since = subscriptionType && !after && !last ? HOLE : undefined } = ("sort" in params ? params : { ...meta, ...params }) as any;
        const asked = ids?.length ? ids : id != null ? [id] : /One|Many/.test(subscriptionType) ? [] : undefined;
        const hook: Hook = { channel, resource, dataProviderName: meta.dataProviderName, ids: asked?.map(String), hold, callback, messages: [] };
        const handle = client.subscribe({ resource, types, ids: subscriptionType ? undefined : asked, after, since, last }, (m) => {
          if (!subscriptionType) return callback(toRefine(channel, [m]));
          if (!echo && (m as LiveEvent).own) return;
          hook.messages.push(m);
          if (busy.has(resource)) return;
          busy.add(resource);
          queueMicrotask(() => deliver(resource)); // after all hooks have got it
        });
        if (subscriptionType) hooks.add(hook);
        return {
          close() {
            handle.close();
            hooks.delete(hook);
          },
        };
      }) ?? {},
    unsubscribe: (handle) => handle?.close?.(),
    ...(publish && {
      publish: ({ channel, type, payload, date, meta }) => {
        const resource = resourceOf(channel);
        const kept = Object.fromEntries(names.map((name) => [name, meta?.[name]]));
        if (resource) client.publish({ resource, type, ids: payload?.ids, payload, date, meta: kept }).catch(onError);
      },
    }),
  };
}

/**
 * The header that names this page as the origin of what it changes: `X-Live-Origin`, or none before the first connection.
 * The backend hands it on as `Live-Origin` of the event, and the page knows its own change. Across origins it has to allow it.
 *
 *     fetch(url, { method: "PATCH", body, headers: originHeaders(client) });
 *     axios.interceptors.request.use((config) => (config.headers.set(originHeaders(client)), config));
 */
export const originHeaders = ({ session }: Pick<Client, "session">): Record<string, string> => (session ? { "X-Live-Origin": session } : {});

/**
 * A data provider like the given one that adds the origin header to `meta.headers` of everything that changes something; for
 * those that send `meta.headers`, as Refine's simple-rest and most others do. Reads go without, which saves them a preflight.
 */
export function withOrigin<T extends object>(dataProvider: T, client: Pick<Client, "session">): T {
  return new Proxy(dataProvider as any, {
    get: (it, name) =>
      // create…, update…, delete…, custom
      /^(cr|up|de|cu)/.test(name.toString())
        ? (params: any) => it[name]({ ...params, meta: { ...params.meta, headers: { ...originHeaders(client), ...params.meta?.headers } } })
        : it[name],
  });
}
