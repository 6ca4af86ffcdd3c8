import type { DataProvider } from "@refinedev/core";

const url = "/api";

const request = async (path: string, method = "GET", body?: unknown, headers: Record<string, string> = {}) => {
  const init = body === undefined ? { method, headers } : { method, headers: { ...headers, "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const response = await fetch(url + path, init);
  if (!response.ok) throw Object.assign(new Error(await response.text()), { statusCode: response.status });
  return response.json();
};
const path = (resource: string, id?: unknown) => `/${encodeURIComponent(resource)}` + (id === undefined ? "" : `/${encodeURIComponent(String(id))}`);

/** A REST data provider as plain as can be; like most it sends `meta.headers`. */
export const dataProvider: DataProvider = {
  getApiUrl: () => url,
  getList: ({ resource, pagination: { currentPage = 1, pageSize = 10 } = {} }) => request(`${path(resource)}?page=${currentPage}&size=${pageSize}`),
  getMany: ({ resource, ids }) => request(`${path(resource)}?${ids.map((id) => `id=${encodeURIComponent(id)}`).join("&")}`),
  getOne: ({ resource, id }) => request(path(resource, id)),
  create: ({ resource, variables, meta }) => request(path(resource), "POST", variables, meta?.headers),
  update: ({ resource, id, variables, meta }) => request(path(resource, id), "PATCH", variables, meta?.headers),
  deleteOne: ({ resource, id, meta }) => request(path(resource, id), "DELETE", undefined, meta?.headers),
};
