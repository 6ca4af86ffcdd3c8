// Type tests: tsc is the runner. A line under @ts-expect-error has to be refused.
import type { DataProvider, LiveModeProps, LiveProvider, RefineProps } from "@refinedev/core";
import { QueryClient } from "@tanstack/react-query";
import { createClient, type Status } from "../src/index.js";
import { useLiveStatus } from "../src/react.js";
import { liveProvider, originHeaders, withOrigin, type LiveParams } from "../src/refine.js";
import type { LiveProvider as LiveProvider4 } from "./refine4.js";

const client = createClient({ url: "" });
export const five: LiveProvider = liveProvider(client);
export const four: LiveProvider4 = liveProvider(client);
export const back: LiveProvider = four;

const queryClient = new QueryClient();
export const props: Pick<RefineProps, "liveProvider" | "options"> = {
  liveProvider: liveProvider(client, {
    queryClient,
    window: 0,
    echo: true,
    publish: false,
    meta: ["tenantId"],
    onError: (error: unknown) => console.error(error),
  }),
  options: { liveMode: "auto", reactQuery: { clientConfig: queryClient } },
};
liveProvider(client, { queryClient: undefined });
// @ts-expect-error ms
liveProvider(client, { window: "100ms" });
// @ts-expect-error no such option
liveProvider(client, { coalesce: 100 });
// @ts-expect-error a client is needed
liveProvider();

const liveParams: LiveParams = { hold: () => true, since: "-15m", ids: [1, "2"] };
export const hook: LiveModeProps = { liveMode: "auto", liveParams };
// @ts-expect-error hold is a function
export const wrong: LiveParams = { hold: true };

declare const dataProvider: DataProvider;
export const same: DataProvider = withOrigin(dataProvider, client);
export const headers: Record<string, string> = originHeaders(client);
fetch("", { headers: originHeaders(client) });

export const status: Status = useLiveStatus(client);
