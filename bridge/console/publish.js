// The publish form: checks what is typed, sends it, and shows the answer.
// @ts-check
import { $, copyButton, el, plural, say } from "./dom.js";
import { read } from "./json.js";
import { readList, writeList } from "./settings.js";
import { subject } from "./shell.js";

const KEPT = 6; // answers
const FIELDS = /** @type {const} */ (["resource", "type", "ids", "payload", "meta", "key"]);
/** @typedef {typeof FIELDS[number]} Field */

/** @param {any} client @param {() => { resource: string, types: string[] }} filter what to begin with */
export function createPublisher(client, filter) {
  const panel = $("publish");
  const field = (/** @type {Field} */ name) => /** @type {HTMLInputElement} */ ($("p-" + name));
  /** @type {HTMLElement | null} */
  let cameFrom = null;

  /** @param {Field} name @param {string} text "" = all is well */
  const setError = (name, text) => {
    $(`p-${name}-error`).textContent = text;
    field(name).toggleAttribute("aria-invalid", false);
    if (text) field(name).setAttribute("aria-invalid", "true");
  };

  /** @type {Record<Field, (text: string) => any>} what a field means; throws with a text for people */
  const meanings = {
    resource: (text) => text || fail("which resource?"),
    type: (text) => text || fail("created, updated or any other word"),
    ids: readList,
    payload: (text) => (text.trim() ? read(text) : undefined),
    meta(text) {
      const meta = text.trim() ? read(text) : undefined;
      return meta === undefined || (meta && typeof meta == "object" && !Array.isArray(meta)) ? meta : fail("a JSON object, or nothing");
    },
    key: (text) => (new TextEncoder().encode(text).length > 128 ? fail("at most 128 bytes") : text || undefined),
  };
  /** @param {string} text @returns {never} */
  const fail = (text) => {
    throw new Error(text);
  };

  /** @param {Field} name @returns {{ ok: boolean, value?: any }} */
  const check = (name) => {
    try {
      const value = meanings[name](field(name).value);
      setError(name, "");
      return { ok: true, value };
    } catch (e) {
      setError(name, /** @type {Error} */ (e).message);
      return { ok: false };
    }
  };
  const showSubject = () => {
    let ids = [""];
    try {
      ids = readList(field("ids").value);
    } catch {} // told below the field
    const [resource, type] = [field("resource").value, field("type").value];
    $("p-subject").textContent = resource && type ? subject(resource, type, ids[0] ?? "") + (ids.length > 1 ? ` and ${ids.length - 1} more` : "") : "";
  };

  /** @param {any[]} content @param {string} kind */
  const ack = (kind, ...content) => {
    const item = el("li", { className: `ack ${kind}` }, ...content);
    $("acks").prepend(item);
    while ($("acks").childElementCount > KEPT) $("acks").lastElementChild.remove();
    return item;
  };

  const send = async () => {
    const checked = FIELDS.map((name) => /** @type {const} */ ([name, check(name)]));
    const wrong = checked.find(([, { ok }]) => !ok);
    if (wrong) return field(wrong[0]).focus();
    const { ids, ...event } = Object.fromEntries(checked.map(([name, { value }]) => [name, value]));
    const name = `${event.resource} ${event.type}${ids.length ? " " + ids.join(", ") : ""}`;
    const sent = performance.now();
    const item = ack("waiting", `${name}: ${client.state == "live" ? "sent" : "waits for the connection"} …`);
    try {
      const [{ cursor, duplicate }] = await client.publish(ids.length > 1 ? { ...event, ids } : { ...event, id: ids[0] });
      item.className = `ack ${duplicate ? "duplicate" : "stored"}`;
      const took = `${Math.max(1, Math.round(performance.now() - sent))} ms`;
      const text = duplicate ? "stored before, under the same key" : ids.length > 1 ? `stored, ${plural(ids.length, "record")}, after ${took}` : `stored after ${took}`;
      item.replaceChildren(`${name}: ${text} `, copyButton("Copy cursor", () => cursor), el("code", { textContent: cursor }));
    } catch (e) {
      const { code, message } = /** @type {any} */ (e);
      item.className = "ack failed";
      item.replaceChildren(`${name}: not stored. ${message}`, el("code", { textContent: code }));
    }
  };

  const close = () => {
    if (panel.hidden) return;
    panel.hidden = true;
    $("publish-open").setAttribute("aria-expanded", "false");
    (cameFrom?.isConnected && cameFrom != document.body ? cameFrom : $("publish-open")).focus();
  };
  const open = () => {
    if (panel.hidden) cameFrom = /** @type {HTMLElement} */ (document.activeElement);
    panel.hidden = false;
    $("publish-open").setAttribute("aria-expanded", "true");
    const { resource, types } = filter();
    field("resource").value ||= resource;
    if (types.length == 1) field("type").value ||= types[0];
    const first = FIELDS.find((name) => !field(name).value) ?? "payload";
    field(first).focus();
    showSubject();
  };

  for (const name of FIELDS)
    field(name).addEventListener("input", () => {
      // A resource or a type that is not there yet is no mistake while one types.
      if (field(name).value || field(name).hasAttribute("aria-invalid")) check(name);
      showSubject();
    });
  $("publish-form").addEventListener("submit", (/** @type {Event} */ e) => {
    e.preventDefault();
    send();
  });
  panel.addEventListener("keydown", (/** @type {KeyboardEvent} */ e) => {
    if (e.key == "Escape") {
      e.stopPropagation();
      close();
    } else if (e.key == "Enter" && (e.ctrlKey || e.metaKey)) {
      e.preventDefault();
      send();
    }
  });
  $("publish-close").addEventListener("click", close);
  $("publish-open").addEventListener("click", () => (panel.hidden ? open() : close()));

  return {
    open,
    close,
    /** Fills the form with an event, to be changed and published. @param {import("./row.js").LiveEvent} e */
    fill(e) {
      field("resource").value = e.resource;
      field("type").value = e.type;
      field("ids").value = writeList(e.ids);
      field("payload").value = e.raw === undefined ? JSON.stringify(e.payload, null, 2) : "";
      field("meta").value = e.meta ? JSON.stringify(e.meta) : "";
      field("key").value = "";
      for (const name of FIELDS) check(name);
      open();
      field("payload").focus();
      say("The publish form has this event");
    },
  };
}
