// A WebSocket with a cable that can be cut.
// @ts-check

/**
 * WebSocket is what the client gets as its class; pull() drops the connection without a goodbye, and every try fails until mend(). What is
 * on its way when the cable is cut is lost, as with a real one.
 */
export function createCable() {
  /** @type {WebSocket | undefined} */
  let current;
  let cut = false;
  class CableWebSocket extends WebSocket {
    /** @param {string} url @param {string} protocols */
    constructor(url, protocols) {
      if (cut) throw new Error("the cable is cut");
      super(url, protocols);
      current = this;
    }
    /** Browsers complain of a socket that is closed while it connects: it waits until it has. @param {number} [code] */
    close(code) {
      if (this.readyState == WebSocket.CONNECTING) this.onopen = () => super.close();
      else super.close(code);
    }
  }
  return {
    WebSocket: CableWebSocket,
    get cut() {
      return cut;
    },
    /** Sends past the client what is no business of its: a fresh token. @param {object} message */
    send(message) {
      if (current?.readyState == WebSocket.OPEN) current.send(JSON.stringify(message));
    },
    pull() {
      cut = true;
      const socket = current;
      current = undefined;
      if (!socket) return;
      const { onclose } = socket;
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
      onclose?.call(socket, new CloseEvent("close", { code: 1006 }));
    },
    mend() {
      cut = false;
      retryNow();
    },
  };
}

/** The client tries at once when the network is back. */
export const retryNow = () => window.dispatchEvent(new Event("online"));
