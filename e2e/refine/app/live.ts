import { QueryClient, keepPreviousData } from "@tanstack/react-query";
import { createClient, type TokenReason } from "livebridge";
import { liveProvider } from "livebridge/refine";
import { log, settings } from "./bed";

/** Asks the API for a token: none for a person who is signed out, and an error where it cannot tell. */
const getToken = async (why: TokenReason) => {
  const response = await fetch(`/api/token?why=${why}`, { method: "POST" });
  if (response.status == 401) return null;
  if (!response.ok) throw new Error(`no token: HTTP ${response.status}`);
  return response.text();
};
class NotedWebSocket extends WebSocket {
  constructor(url: string, protocols: string) {
    super(url, protocols);
    this.addEventListener("close", ({ code }) => log.closed.push(code));
  }
}

export const client = createClient({ url: settings.url, ...(settings.tokens && { getToken, WebSocket: NotedWebSocket }) });
client.on("state", (state) => log.states.push(state));
client.on("error", (error) => log.errors.push(`${error.code}: ${error.message}`));

// Refine's own defaults, which it does not give to a QueryClient that is not its own; and no reading of everything when the
// network is back: what was missed is told.
export const queryClient = new QueryClient({
  defaultOptions: { queries: { refetchOnWindowFocus: false, refetchOnReconnect: false, placeholderData: keepPreviousData } },
});

export const provider = liveProvider(client, { ...(settings.queryClient != false && { queryClient }), ...settings.provider });
