// What a case sets before the page loads, and what it reads from the page.
import type { LiveProviderOptions } from "livebridge/refine";

export interface Settings {
  /** Address of the bridge. */
  url: string;
  /** `liveMode` of <Refine>. */
  liveMode?: "auto" | "manual" | "off";
  /** Props of every hook on the page. */
  hook?: { liveMode?: "auto" | "manual" | "off"; liveParams?: object };
  provider?: Omit<LiveProviderOptions, "queryClient">;
  /** false: the provider does not get the QueryClient. */
  queryClient?: boolean;
  strict?: boolean;
  /** The client gets its tokens from the API. */
  tokens?: boolean;
}

export const settings = (window as unknown as { settings: Settings }).settings;

/** What happened in the page, in order. */
export const log = {
  /** onLiveEvent of the hooks and of <Refine>: who, type, ids. */
  events: [] as { who: string; type: string; ids: unknown; payload: object; meta: object | undefined; date: string; at: number }[],
  /** What a hook showed, and when (ms since 1970). */
  shown: [] as { who: string; text: string; at: number }[],
  errors: [] as string[],
  states: [] as string[],
  /** Codes with which the client's WebSockets were closed; only with `tokens`. */
  closed: [] as number[],
};
