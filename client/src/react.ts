import { useCallback, useSyncExternalStore } from "react";
import type { Client, Status } from "./types.js";

const closed: Status = { state: "closed", attempt: 0 };

/** The state of the client's connection; renders again when it changes. On the server, and while hydrating: closed. */
export function useLiveStatus(client: Client): Status {
  const subscribe = useCallback((changed: () => void) => client.on("state", changed), [client]);
  return useSyncExternalStore(subscribe, () => client.status, () => closed);
}
