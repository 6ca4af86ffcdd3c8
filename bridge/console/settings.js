// What is shown: the subscription and the search. Pure; kept in the address of the page, with the names of GET /v1/events.
// @ts-check

/**
 * @typedef {"now" | "last" | "ago" | "time" | "after"} StartKind
 * @typedef {{ kind: StartKind, value: string }} Start  value: "" | a count | a duration such as 15m | RFC 3339 | a cursor
 * @typedef {{ resource: string, types: string[], ids: string[], start: Start, search: string }} Settings  resource "" = all
 */

/** @returns {Settings} */
export const defaults = () => ({ resource: "", types: [], ids: [], start: { kind: "last", value: "50" }, search: "" });

/** Reads the part of an address after "#". @param {string} hash @returns {Settings} */
export function fromHash(hash) {
  const params = new URLSearchParams(hash.replace(/^#/, ""));
  const since = params.get("since");
  const start = /** @type {Start} */ (
    params.has("after")
      ? { kind: "after", value: params.get("after") }
      : since
        ? since.startsWith("-")
          ? { kind: "ago", value: since.slice(1) }
          : { kind: "time", value: since }
        : params.has("last")
          ? { kind: "last", value: params.get("last") }
          : params.get("start") == "now"
            ? { kind: "now", value: "" }
            : defaults().start
  );
  const resource = params.get("resource") ?? "";
  return {
    resource: resource == "*" ? "" : resource,
    types: params.getAll("type"),
    ids: params.getAll("id"),
    start,
    search: params.get("search") ?? "",
  };
}

/** @param {Settings} s */
export function toHash(s) {
  const params = new URLSearchParams();
  if (s.resource) params.set("resource", s.resource);
  for (const type of s.types) params.append("type", type);
  for (const id of s.ids) params.append("id", id);
  const { kind, value } = s.start;
  if (kind == "now") params.set("start", "now");
  else if (kind == "ago") params.set("since", "-" + value);
  else if (kind == "time") params.set("since", value);
  else if (kind == "after" || value != defaults().start.value) params.set(kind, value);
  if (s.search) params.set("search", s.search);
  return params.toString();
}

/** As the client takes it. @param {Settings} s */
export const toSubscription = ({ resource, types, ids, start: { kind, value } }) => ({
  resource: resource || "*",
  types,
  ids,
  ...(kind == "after" && { after: value }),
  ...(kind == "ago" && { since: "-" + value }),
  ...(kind == "time" && { since: value }),
  ...(kind == "last" && { last: Number(value) }),
});

const DURATION = /^(?=.)(\d+d)?((\d+(\.\d+)?|\.\d+)(ns|us|µs|ms|s|m|h))*$/;

/** What is wrong with a start, "" = nothing. @param {Start} start */
export function startError({ kind, value }) {
  if (kind == "last" && !/^[1-9]\d*$/.test(value)) return "give a number from 1 on";
  if (kind == "ago" && !DURATION.test(value)) return "give a duration, such as 15m, 1h30m or 2d";
  if (kind == "time" && !value) return "give a date and a time";
  if (kind == "after" && !value) return "paste a cursor, or click that of an event";
  return "";
}

/** In words. @param {Settings} s */
export function describe({ resource, types, ids, start: { kind, value } }) {
  const from = { now: "from now on", last: `newest ${value}`, ago: `back ${value}`, time: `since ${value}`, after: "after a cursor" };
  return [resource || "all resources", types.join(", "), ids.length > 0 && `id ${ids.join(", ")}`, from[kind]].filter(Boolean).join(" · ");
}

/** Reads "1, 2" or, for texts with commas in them, a JSON array. Throws with a text for people. @param {string} text @returns {string[]} */
export function readList(text) {
  text = text.trim();
  if (!text.startsWith("[")) return text.split(",").map((s) => s.trim()).filter(Boolean);
  let list;
  try {
    list = JSON.parse(text);
  } catch {
    throw new Error('begins like a JSON array but is none: write ["a,b", "c"]');
  }
  if (!list.every((/** @type {unknown} */ v) => typeof v == "string" || typeof v == "number")) throw new Error("only texts and numbers may be in it");
  return list.map(String);
}

/** @param {readonly string[]} list */
export const writeList = (list) => {
  const text = list.join(", ");
  return list.some((s) => s != s.trim() || s == "" || s.includes(",")) || text.startsWith("[") ? JSON.stringify(list) : text;
};

/** RFC 3339 as a datetime-local field has it, in the time zone of this page; "" where it is none. @param {string} text */
export function toLocal(text) {
  const d = new Date(text);
  if (isNaN(+d)) return "";
  return new Date(+d - d.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

/** @param {string} local */
export const fromLocal = (local) => (local ? new Date(local).toISOString() : "");
