// Type tests: tsc is the runner. A line under @ts-expect-error has to be refused.
import { createClient, fullJitter, LivebridgeError, type Client, type LiveEvent, type Reset, type State } from "../src/index.js";
import { WebSocket } from "ws";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const is = <_T extends true>() => {};

interface Product {
  price: number;
}

const client = createClient({ url: "wss://live.example.com/v1/ws" });
is<Equal<typeof client, Client>>();

createClient({
  url: new URL("https://live.example.com"),
  WebSocket,
  retry: fullJitter(100, 5000),
  getToken: async (why) => (why == "refused" ? null : "t"),
});
createClient({ url: "/v1/ws", WebSocket: globalThis.WebSocket, getToken: undefined });
// @ts-expect-error url is needed
createClient({});
// @ts-expect-error a token is text
createClient({ url: "", getToken: () => 5 });

const handle = client.subscribe<Product>({ resource: "products", ids: [1, "2"], types: ["updated"], since: 2000 }, (message) => {
  is<Equal<typeof message, LiveEvent<Product> | Reset>>();
  if (message.kind == "event") {
    is<Equal<typeof message.payload, Product>>();
    is<Equal<typeof message.date, Date>>();
    is<Equal<typeof message.ids, readonly string[]>>();
    // @ts-expect-error what was told cannot be changed
    message.id = "";
  } else is<Equal<typeof message.reason, "expired" | "stream" | "limit">>();
});
is<Equal<ReturnType<typeof handle.close>, void>>();
client.subscribe({ resource: "products" }, ({ kind }) => kind);
client.subscribe({ resource: "*", after: undefined, since: new Date(), onLive() {} }, () => {});
// @ts-expect-error a resource is needed
client.subscribe({ types: ["updated"] }, () => {});
// @ts-expect-error an id is text or a number
client.subscribe({ resource: "products", ids: [true] }, () => {});

const { publish } = client;
publish({ resource: "products", type: "updated", id: 0, payload: { price: 1 }, date: new Date() }).then(
  ([ack]) => ack?.cursor.length,
);
publish([{ resource: "products", type: "imported" }]);
// @ts-expect-error a type is needed
publish({ resource: "products" });
// @ts-expect-error the bridge sets the origin
publish({ resource: "products", type: "updated", origin: "me" });

client.history<Product>({ resource: "products", last: 5 }).then((page) => page.events[0]?.payload.price.toFixed());

const off = client.on("state", (state, status) => {
  is<Equal<typeof state, State>>();
  is<Equal<typeof status.retryAt, number | undefined>>();
});
is<Equal<typeof off, () => void>>();
client.on("error", (error) => error.code == "forbidden");
// @ts-expect-error no such code
client.on("error", (error) => error.code == "oops");
// @ts-expect-error no such event
client.on("open", () => {});

const error = new LivebridgeError("expired", "gone");
is<Equal<typeof error extends Error ? true : false, true>>();
