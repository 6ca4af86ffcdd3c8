import { jetstreamManager } from "@nats-io/jetstream";
import { connect, headers } from "@nats-io/transport-node";

/** A token of a subject, as PROTOCOL.md has it. */
export const token = (text) => (text == "_" ? "%5F" : text == "" ? "_" : [...new TextEncoder().encode(text)].map((b) => (/[\w-]/.test(String.fromCharCode(b)) ? String.fromCharCode(b) : "%" + b.toString(16).toUpperCase().padStart(2, "0"))).join(""));

/** A plain NATS client: what a service in any language does. */
export async function publisher(servers) {
  const nc = await connect({ servers, maxReconnectAttempts: -1, reconnectTimeWait: 50, reconnectJitter: 0 });
  return {
    nc,
    /** Publishes without waiting. `head`: Live-… headers without the prefix. */
    send(resource, type, id = "", payload = undefined, head = {}) {
      const h = headers();
      for (const [name, value] of Object.entries(head)) h.set(`Live-${name}`, value);
      nc.publish(`live.${token(resource)}.${token(type)}.${token(String(id))}`, payload === undefined ? undefined : JSON.stringify(payload), { headers: h });
    },
    /** Publishes and waits until the server has it. */
    async tell(...args) {
      this.send(...args);
      await nc.flush();
    },
    dropStream: async () => (await jetstreamManager(nc)).streams.delete("LIVE"),
    close: () => nc.close(),
  };
}
