// Everything that makes this app live: one client, one live provider, and the name of the client on what the app changes.
import type { HttpError } from "@refinedev/core";
import { QueryClient, keepPreviousData } from "@tanstack/react-query";
import { createClient } from "livebridge";
import { liveProvider as createLiveProvider, withOrigin } from "livebridge/refine";
import { api } from "./api";

/** Where the bridge is: its port can be chosen when this example is started. An app of your own has the address in its settings. */
const { bridge } = await fetch("/api/config").then((r): Promise<{ bridge: string }> => r.json());

export const client = createClient({ url: bridge });

/** Shared with <Refine>, so that the live provider knows which queries are on the page. */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      refetchOnWindowFocus: false,
      placeholderData: keepPreviousData,
      // What was refused is not asked again; where the backend does not answer, a few times.
      retry: (failures, error) => !((error as unknown as HttpError).statusCode >= 400) && failures < 3,
    },
  },
});

/** The backend publishes what was changed, after the commit; the page need not. */
export const liveProvider = createLiveProvider(client, { queryClient, publish: false });

/** With the header X-Live-Origin, which comes back in the events: a page leaves out the echo of its own changes. */
export const dataProvider = withOrigin(api, client);
