// Publishes one event to NATS, past the bridge: npm ci, then node publish-nats.mjs [127.0.0.1:4222]
import { jetstream } from "@nats-io/jetstream";
import { connect, headers } from "@nats-io/transport-node";

/** A text as one token of a subject: A-Z a-z 0-9 - _ stand for themselves, every other byte is %XX. As an id, "_" alone means no particular record. */
const token = (text) => (text === "_" ? "%5F" : [...Buffer.from(text)].map((b) => (/[\w-]/.test(String.fromCharCode(b)) ? String.fromCharCode(b) : `%${b.toString(16).toUpperCase().padStart(2, "0")}`)).join(""));

const nc = await connect({ servers: process.argv[2] ?? "127.0.0.1:4222" });
const h = headers();
h.set("Nats-Msg-Id", "stock-9-é/1"); // the same id within two minutes is stored once
h.set("Live-Meta", JSON.stringify({ user: "node" }));

const ack = await jetstream(nc).publish(`live.products.updated.${token("é/1")}`, JSON.stringify({ stock: 9 }), { headers: h });
console.log(`stored as number ${ack.seq} of the stream, duplicate: ${ack.duplicate}`);
await nc.close();
