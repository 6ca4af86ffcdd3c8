// The table: newest on top, never more than CAP rows, drawn once per frame however many events come.
// @ts-check
import { $, count, el } from "./dom.js";
import { detail, row, searchText } from "./row.js";

export const CAP = 1000;
const FLASH = 20; // so many new rows at once are pointed out; more would only flicker

/** @typedef {import("./row.js").LiveEvent} LiveEvent */
/** @typedef {{ text: string, kind: "live" | "lost" | "reset" }} Point */

/**
 * @param {import("./row.js").Actions} actions
 * @param {() => void} onChange called when rows came, went, or wait
 */
export function createTable(actions, onChange) {
  const rows = $("rows");
  /** @type {WeakMap<Element, LiveEvent>} */
  const events = new WeakMap();
  /** @type {(LiveEvent | Point)[]} */
  let waiting = []; // in the order in which they came
  let held = 0; // events that came while paused
  let paused = false;
  let drawing = 0;
  let search = "";
  /** @type {HTMLElement | undefined} */
  let current; // the one row that Tab reaches

  const matches = (/** @type {LiveEvent} */ e) => !search || searchText(e).includes(search);
  const visible = () => /** @type {HTMLElement[]} */ ([...rows.querySelectorAll(".item:not([hidden]) > .row[tabindex]")]);

  /** @param {HTMLElement | undefined} to */
  const setCurrent = (to) => {
    current?.setAttribute("tabindex", "-1");
    current = to;
    current?.setAttribute("tabindex", "0");
    rows.tabIndex = current ? -1 : 0;
  };
  /** @param {LiveEvent} e @param {boolean} fresh */
  const item = (e, fresh) => {
    const node = el("div", { className: `item${e.replayed ? " replayed" : ""}${fresh ? " fresh" : ""}`, hidden: !matches(e) }, row(e));
    events.set(node, e);
    return node;
  };
  const point = (/** @type {Point} */ p) => el("div", { className: `point ${p.kind}`, role: "row" }, el("span", { role: "gridcell", textContent: p.text }));

  const draw = () => {
    drawing = 0;
    if (paused) return;
    const list = waiting.slice(-CAP).reverse();
    waiting = [];
    const top = document.createDocumentFragment();
    for (const next of list) top.append("kind" in next && next.kind == "event" ? item(next, list.length <= FLASH) : point(/** @type {Point} */ (next)));
    rows.prepend(top);
    trim();
    onChange();
  };
  const trim = () => {
    while (rows.childElementCount > CAP) {
      const last = /** @type {HTMLElement} */ (rows.lastElementChild);
      const focused = last.contains(document.activeElement);
      if (current && last.contains(current)) setCurrent(undefined);
      last.remove();
      if (focused) rows.focus({ preventScroll: true });
    }
  };
  const soon = () => {
    if (waiting.length > 2 * CAP) waiting = waiting.slice(-CAP); // a hidden page draws nothing, and must not grow
    drawing ||= requestAnimationFrame(draw);
  };

  /** @param {HTMLElement} target a row */
  const toggle = (target) => {
    const node = /** @type {HTMLElement} */ (target.parentElement);
    const open = node.classList.toggle("open");
    target.setAttribute("aria-expanded", String(open));
    if (open) node.append(detail(/** @type {LiveEvent} */ (events.get(node)), actions));
    else target.nextElementSibling?.remove();
  };
  /** Moves the focus by so many rows, or to an end. @param {number} by */
  const move = (by) => {
    const list = visible();
    if (!list.length) return;
    const from = current ? list.indexOf(current) : -1;
    const to = list[Math.min(Math.max(from < 0 && by > 0 ? 0 : from + by, 0), list.length - 1)];
    setCurrent(to);
    to.focus();
    to.scrollIntoView({ block: "nearest" });
  };

  rows.addEventListener("click", (/** @type {MouseEvent} */ click) => {
    const target = /** @type {HTMLElement | null} */ (/** @type {Element} */ (click.target).closest(".item > .row[tabindex]"));
    if (!target || getSelection()?.type == "Range") return;
    setCurrent(target);
    toggle(target);
  });
  rows.addEventListener("keydown", (/** @type {KeyboardEvent} */ key) => {
    if (key.key != "Enter" || key.target != current || !current) return;
    key.preventDefault();
    toggle(current);
  });

  return {
    /** @param {LiveEvent} e */
    event(e) {
      waiting.push(e);
      if (paused && ++held) onChange();
      soon();
    },
    /** A line between the events that says what happened there. @param {Point["kind"]} kind @param {string} text */
    point(kind, text) {
      waiting.push({ kind, text });
      soon();
    },
    clear() {
      waiting = [];
      held = 0;
      setCurrent(undefined);
      rows.replaceChildren();
      onChange();
    },
    /** @param {string} text */
    search(text) {
      search = text.trim().toLowerCase();
      for (const node of rows.querySelectorAll(".item")) node.hidden = !matches(/** @type {LiveEvent} */ (events.get(node)));
      if (current?.parentElement?.hidden) setCurrent(undefined);
      onChange();
    },
    /** @param {boolean} to */
    pause(to) {
      paused = to;
      held = 0;
      if (!paused) draw();
      onChange();
    },
    /** @param {string} key @returns {boolean} whether it was one of the table's */
    key(key) {
      /** @type {Record<string, number>} */
      const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -CAP, End: CAP };
      if (!(key in by)) return false;
      move(by[key]);
      return true;
    },
    get paused() {
      return paused;
    },
    /** How many rows are shown, are here, and wait. */
    get numbers() {
      const all = rows.querySelectorAll(".item").length;
      return { shown: search ? rows.querySelectorAll(".item:not([hidden])").length : all, all, held: Math.min(held, CAP), children: rows.childElementCount };
    },
  };
}

/** @param {{ shown: number, all: number }} n @param {boolean} searching */
export const shownText = ({ shown, all }, searching) =>
  searching ? `${count(shown)} of ${count(all)}` : all >= CAP ? `newest ${count(all)}` : all == 1 ? "1 event" : `${count(all)} events`;
