// The public types of a live provider in Refine 4, as @refinedev/core 4.58.0 declares them (its contexts/live/types), which cannot be
// installed beside Refine 5: it wants another React. Where it names types of its own that do not matter here, `any`.
type MetaQuery = { [k: string]: any };

export type LiveEvent = {
  channel: string;
  type: "deleted" | "updated" | "created" | "*" | string;
  payload: { ids?: (string | number)[]; [x: string]: any };
  date: Date;
  meta?: MetaQuery & { dataProviderName?: string };
};

type Params = {
  resource?: string;
  pagination?: any;
  hasPagination?: boolean;
  sorters?: any[];
  filters?: any[];
  meta?: MetaQuery;
  metaData?: MetaQuery;
  id?: string | number;
  ids?: (string | number)[];
  subscriptionType?: "useList" | "useOne" | "useMany";
  [key: string]: unknown;
};

export type LiveProvider = {
  publish?: (event: LiveEvent) => void;
  subscribe: (options: {
    channel: string;
    types: Array<LiveEvent["type"]>;
    callback: (event: LiveEvent) => void;
    params?: Params;
    dataProviderName?: string;
    meta?: MetaQuery & { dataProviderName?: string };
    metaData?: MetaQuery;
    hasPagination?: boolean;
    sort?: any[];
  }) => any;
  unsubscribe: (subscription: any) => void;
};
