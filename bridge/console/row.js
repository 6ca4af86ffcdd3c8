// One event: its row, and what unfolds below it.
// @ts-check
import { copyButton, el, plural } from "./dom.js";
import { rawText, rendered } from "./json.js";

const PREVIEW = 300; // characters of a payload in its row

/** @typedef {{ kind: "event", resource: string, type: string, id: string, ids: string[], date: Date, payload: unknown, raw?: string, meta?: object, origin?: string, batch?: string, cursor: string, own: boolean, replayed: boolean }} LiveEvent */
/** @typedef {{ replay: (cursor: string) => void, again: (event: LiveEvent) => void }} Actions */

const compact = (/** @type {unknown} */ value) => JSON.stringify(value) ?? "null";
const pad = (/** @type {number} */ n, /** @type {number} */ digits) => String(n).padStart(digits, "0");

/** @param {Date} d */
function shortTime(d) {
  const time = `${d.toTimeString().slice(0, 8)}.${pad(d.getMilliseconds(), 3)}`;
  return d.toDateString() == new Date().toDateString() ? time : `${pad(d.getMonth() + 1, 2)}-${pad(d.getDate(), 2)} ${time}`;
}

/** What the search looks through, in lower case. @param {LiveEvent} e */
export const searchText = (e) =>
  [e.resource, e.type, ...e.ids, e.raw === undefined ? compact(e.payload) : rawText(e.raw), e.origin, e.batch, e.meta && compact(e.meta)]
    .join(" ")
    .toLowerCase();

/** @param {LiveEvent} e */
export function row(e) {
  const cell = (/** @type {string} */ className, /** @type {Record<string, any>} */ props, /** @type {any[]} */ ...children) =>
    el("span", { role: "gridcell", className, ...props }, ...children);
  const kind = ["created", "updated", "deleted"].includes(e.type) ? e.type : "";
  return el(
    "div",
    { className: "row", role: "row", tabindex: "-1", "aria-expanded": "false" },
    cell("time", { title: e.date.toISOString(), textContent: shortTime(e.date) }),
    cell("type", {}, el("span", { className: kind, textContent: e.type })),
    cell("resource", { textContent: e.resource, title: e.resource }),
    cell("id", { "data-resource": e.resource, title: e.ids.join(", ") }, e.ids.length ? e.ids.join(", ") : el("em", { textContent: "no particular" })),
    cell("payload", {}, e.raw === undefined ? compact(e.payload).slice(0, PREVIEW) : el("em", { textContent: "not JSON: " + rawText(e.raw).slice(0, PREVIEW) })),
    cell(
      "more",
      {},
      e.own && el("span", { className: "tag own", title: "Published by this page", textContent: "own" }),
      e.ids.length > 1 && el("span", { className: "tag", title: `One event about ${plural(e.ids.length, "record")}`, textContent: `×${e.ids.length}` }),
      [!e.own && e.origin, e.meta && compact(e.meta)].filter(Boolean).join(" "),
    ),
  );
}

/** @param {LiveEvent} e @param {Actions} actions */
export function detail(e, { replay, again }) {
  const fact = (/** @type {string} */ name, /** @type {any} */ value) => value && el("div", {}, el("dt", { textContent: name }), el("dd", { className: "mono" }, value));
  const bytes = e.raw;
  const copyText = () => (bytes === undefined ? JSON.stringify(e.payload, null, 2) : bytes);
  const wire = () => JSON.stringify({ ...e, kind: undefined, own: undefined, replayed: undefined }, null, 2);
  return el(
    "div",
    { role: "row" },
    el(
      "div",
      { className: "detail", role: "gridcell", "aria-colspan": "6" },
      el("pre", { className: "json", tabindex: "0", "aria-label": "Payload" }, bytes === undefined ? rendered(e.payload) : rawText(bytes)),
      el(
        "dl",
        { className: "facts" },
        fact("cursor", el("button", { type: "button", className: "cursor", title: "Replay everything after this event", textContent: e.cursor, onclick: () => replay(e.cursor) })),
        fact("date", e.date.toISOString()),
        fact("ids", e.ids.length > 1 && e.ids.join(", ")),
        fact("origin", e.origin && (e.own ? `${e.origin} (this page)` : e.origin)),
        fact("batch", e.batch),
        fact("meta", e.meta && compact(e.meta)),
        fact("delivered", e.replayed ? "replayed" : "live"),
      ),
      el(
        "div",
        { className: "actions" },
        copyButton(bytes === undefined ? "Copy payload" : "Copy bytes (base64)", copyText),
        copyButton("Copy event", wire),
        copyButton("Copy cursor", () => e.cursor),
        el("button", { type: "button", className: "small", textContent: "Replay after this", onclick: () => replay(e.cursor) }),
        el("button", { type: "button", className: "small", textContent: "Edit and publish", onclick: () => again(e) }),
      ),
    ),
  );
}
