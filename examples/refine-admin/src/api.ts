// The data provider of the backend's REST API.
import type { BaseKey, CrudFilters, DataProvider, HttpError } from "@refinedev/core";
import { currentUser } from "./user";

async function request(path: string, method = "GET", body?: unknown, headers?: Record<string, string>) {
  const response = await fetch(`/api/${path}`, {
    method,
    headers: { ...(body === undefined ? {} : { "Content-Type": "application/json" }), "X-User": currentUser(), ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  }).catch(() => undefined);
  const data = await response?.json().catch(() => undefined);
  if (!response?.ok) {
    const error: HttpError = { message: data?.message ?? "the backend does not answer", statusCode: response?.status ?? 0 };
    throw error;
  }
  return { data, total: Number(response.headers.get("X-Total-Count")) };
}

/** `field = value` and `field in (values)` of Refine's filters; empty values filter nothing. */
function conditions(filters: CrudFilters = []) {
  const list: [string, string][] = [];
  for (const f of filters)
    if ("field" in f) for (const value of [f.value].flat()) if (value !== undefined && value !== null && value !== "") list.push([f.field, `${value}`]);
  return list;
}

const one = (resource: string, id: BaseKey) => `${resource}/${encodeURIComponent(id)}`;

export const api: DataProvider = {
  getApiUrl: () => "/api",
  getList: async ({ resource, pagination: { currentPage = 1, pageSize = 10, mode } = {}, sorters = [], filters }) => {
    const query = new URLSearchParams(conditions(filters));
    if (mode !== "off") query.set("_start", `${(currentPage - 1) * pageSize}`), query.set("_end", `${currentPage * pageSize}`);
    if (sorters[0]) query.set("_sort", sorters[0].field), query.set("_order", sorters[0].order);
    return request(`${resource}?${query}`);
  },
  getMany: ({ resource, ids }) => request(`${resource}?${new URLSearchParams(ids.map((id) => ["id", `${id}`]))}`),
  getOne: ({ resource, id }) => request(one(resource, id)),
  create: ({ resource, variables, meta }) => request(resource, "POST", variables, meta?.headers),
  update: ({ resource, id, variables, meta }) => request(one(resource, id), "PATCH", variables, meta?.headers),
  deleteOne: ({ resource, id, meta }) => request(one(resource, id), "DELETE", undefined, meta?.headers),
};
