// Notices above the table: what went wrong, and what it means.
// @ts-check
import { $, clock, el } from "./dom.js";

const MOST = 4;
const BRIEF = 8_000; // ms that an "info" stays

/** @typedef {"error" | "warn" | "info"} Kind */

/** Shows a notice; one that is there already moves up and counts. @param {Kind} kind @param {string} title @param {string} text */
export function notice(kind, title, text) {
  const list = $("notices");
  const key = JSON.stringify([kind, title, text]);
  const same = [...list.children].find((n) => n.dataset.key == key);
  const times = Number(same?.dataset.times ?? 0) + 1;
  same?.remove();
  const item = el(
    "div",
    { className: `notice ${kind}`, role: kind == "info" ? "status" : "alert", "data-key": key, "data-times": times },
    el("strong", { textContent: times > 1 ? `${title} ×${times}` : title }),
    el("span", { textContent: text }),
    el("time", { textContent: clock(new Date()) }),
    el("button", { type: "button", className: "small", textContent: "Dismiss", onclick: () => item.remove() }),
  );
  list.prepend(item);
  while (list.childElementCount > MOST) list.lastElementChild.remove();
  if (kind == "info") setTimeout(() => item.remove(), BRIEF);
}

/** Removes what is no longer true. @param {string} title */
export function withdraw(title) {
  for (const item of [...$("notices").children]) if (JSON.parse(item.dataset.key)[1] == title) item.remove();
}
