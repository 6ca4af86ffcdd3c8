// A REST API with memory only, that counts what it is asked, can be slow, and serves the app.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";

const types = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" };

/** `tell(change)` is called after what changes something, with the origin that the request named: a backend's place to publish. */
export async function startApi() {
  const tables = new Map();
  const table = (name) => tables.get(name) ?? tables.set(name, new Map()).get(name);
  const api = {
    /** The folder of the app. */
    folder: "",
    /** How long, in ms, an answer takes. */
    delay: 0,
    /** Reads since clear(): `posts`, `posts/1`, `posts?1,2`. */
    reads: [],
    /** What the pages changed since clear(): method, path, body, origin. */
    writes: [],
    /** What mints: gives the text of a token, or the status of a refusal. */
    token: undefined,
    /** Why the pages asked for tokens since clear(). */
    asked: [],
    failed: 0,
    last: 0,
    tell: undefined,
    /** Makes a record, or changes it, without a word to anybody. */
    set(resource, id, values) {
      const records = table(resource);
      records.set(String(id), { ...records.get(String(id)), id, ...values });
    },
    get: (resource, id) => table(resource).get(String(id)),
    clear() {
      [api.reads, api.writes, api.asked, api.failed] = [[], [], [], 0];
    },
    /** Waits until nothing has been asked for so many ms. */
    async quiet(ms = 300) {
      const start = Date.now();
      while (Date.now() - Math.max(api.last, start) < ms) await new Promise((done) => setTimeout(done, 20));
    },
  };

  const read = (resource, id, params) => {
    const records = table(resource);
    if (id !== undefined) return [`${resource}/${id}`, records.has(id) ? { data: records.get(id) } : undefined];
    if (params.has("id")) return [`${resource}?${params.getAll("id")}`, { data: params.getAll("id").flatMap((i) => records.get(i) ?? []) }];
    const [page, size] = [Number(params.get("page")), Number(params.get("size"))];
    return [resource, { data: [...records.values()].slice((page - 1) * size, page * size), total: records.size }];
  };
  const write = (method, resource, id, body, origin) => {
    api.writes.push({ method, path: id === undefined ? resource : `${resource}/${id}`, body, origin });
    const old = table(resource).get(id);
    if (method == "DELETE") table(resource).delete(id);
    else api.set(resource, old?.id ?? id ?? table(resource).size + 1, body);
    const type = { POST: "created", PATCH: "updated", DELETE: "deleted" }[method];
    api.tell?.({ resource, id: id ?? String(table(resource).size), type, origin });
    return { data: old && method == "DELETE" ? old : table(resource).get(id ?? String(table(resource).size)) };
  };

  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, "http://api");
    const send = (status, body, type = "application/json") => response.writeHead(status, { "Content-Type": type, "Cache-Control": "no-cache" }).end(body);
    if (!pathname.startsWith("/api/")) {
      const file = /^\/assets\//.test(pathname) ? pathname : "/index.html";
      return send(200, readFileSync(join(api.folder, file)), types[extname(file)]);
    }
    if (pathname == "/api/token") {
      api.asked.push(searchParams.get("why"));
      const token = api.token?.() ?? 503;
      return typeof token == "number" ? send(token, "no token") : send(200, token, "text/plain");
    }
    api.last = Date.now();
    response.on("close", () => response.writableFinished || api.failed++);
    const [, , resource, id] = pathname.split("/").map(decodeURIComponent);
    if (request.method == "GET") {
      const [name, answer] = read(resource, id, searchParams);
      api.reads.push(name);
      if (api.delay) await new Promise((done) => setTimeout(done, api.delay));
      return answer ? send(200, JSON.stringify(answer)) : send(404, "no such record");
    }
    let body = "";
    for await (const part of request) body += part;
    send(200, JSON.stringify(write(request.method, resource, id, body && JSON.parse(body), request.headers["x-live-origin"])));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  api.url = `http://127.0.0.1:${server.address().port}`;
  api.close = () => {
    server.closeAllConnections();
    server.close();
  };
  return api;
}
