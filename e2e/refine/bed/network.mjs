import { once } from "node:events";
import { createConnection, createServer } from "node:net";

/** The way from the browser to a bridge: it can be cut, and lead to another bridge. */
export async function network(port) {
  const sockets = new Set();
  const dead = new WeakSet();
  const net = {
    /** The port that new connections lead to. */
    port,
    connections: 0,
    whole: true,
    /** From now on nothing passes and nobody is told, as when a cable is pulled; new connections hang. */
    cut() {
      net.whole = false;
      for (const socket of sockets) dead.add(socket);
    },
    /** New connections pass again; those of before stay dead. */
    mend() {
      net.whole = true;
    },
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
  const server = createServer((near) => {
    net.connections++;
    if (!net.whole) dead.add(near);
    const far = createConnection(net.port, "127.0.0.1");
    if (!net.whole) dead.add(far);
    const pass = (from, to) => {
      sockets.add(from);
      from.on("data", (data) => dead.has(from) || to.write(data));
      from.on("error", () => {});
      from.on("close", () => {
        sockets.delete(from);
        if (!dead.has(from)) to.destroy();
      });
    };
    pass(near, far);
    pass(far, near);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  net.ws = `ws://127.0.0.1:${server.address().port}/v1/ws`;
  return net;
}
