import { QueryClient, keepPreviousData } from "@tanstack/react-query";
import { createClient } from "livebridge";
import { liveProvider } from "livebridge/refine";
import { log, settings } from "./bed";

export const client = createClient({ url: settings.url });
client.on("state", (state) => log.states.push(state));
client.on("error", (error) => log.errors.push(`${error.code}: ${error.message}`));

// Refine's own defaults, which it does not give to a QueryClient that is not its own; and no reading of everything when the
// network is back: what was missed is told.
export const queryClient = new QueryClient({
  defaultOptions: { queries: { refetchOnWindowFocus: false, refetchOnReconnect: false, placeholderData: keepPreviousData } },
});

export const provider = liveProvider(client, { ...(settings.queryClient != false && { queryClient }), ...settings.provider });
