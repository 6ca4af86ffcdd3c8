// The form that says what is subscribed to, and where it starts.
// @ts-check
import { $ } from "./dom.js";
import { describe, fromLocal, readList, startError, toLocal, writeList } from "./settings.js";

/** @typedef {import("./settings.js").Settings} Settings */
/** @typedef {import("./settings.js").StartKind} StartKind */

/** @param {(changed: Omit<Settings, "search">) => void} onApply */
export function createSubscriptionForm(onApply) {
  const form = $("filter");
  const valueOf = (/** @type {StartKind} */ kind) => /** @type {HTMLInputElement | null} */ ($("v-" + kind)); // "now" has none
  const kind = () => /** @type {StartKind} */ ($("f-start").value);

  const showValue = () => {
    for (const label of form.querySelectorAll("[data-start]")) label.hidden = label.dataset.start != kind();
  };
  /** Shows a fault at its field. @param {HTMLInputElement} input @param {string} text */
  const fault = (input, text) => {
    input.setCustomValidity(text);
    input.setAttribute("aria-invalid", String(text != ""));
    if (text) input.reportValidity();
  };
  /** @param {string} id @returns {string[] | undefined} */
  const list = (id) => {
    try {
      fault($(id), "");
      return readList($(id).value);
    } catch (e) {
      fault($(id), /** @type {Error} */ (e).message);
    }
  };
  const read = () => {
    const [types, ids] = [list("f-types"), list("f-ids")];
    const input = valueOf(kind());
    const text = input?.value.trim() ?? "";
    const start = { kind: kind(), value: kind() == "time" ? fromLocal(text) : text.replace(kind() == "ago" ? /^-/ : "", "") };
    if (input) fault(input, startError(start));
    const resource = $("f-resource").value.trim();
    return types && ids && !startError(start) ? { resource: resource == "*" ? "" : resource, types, ids, start } : undefined;
  };
  const changed = (/** @type {boolean} */ to) => form.classList.toggle("changed", to);

  form.addEventListener("submit", (/** @type {Event} */ e) => {
    e.preventDefault();
    const settings = read();
    if (!settings) return;
    changed(false);
    onApply(settings);
  });
  form.addEventListener("input", (/** @type {Event} */ e) => {
    changed(true);
    const input = /** @type {HTMLInputElement} */ (e.target);
    input.setCustomValidity("");
    input.removeAttribute("aria-invalid");
  });
  $("f-start").addEventListener("change", () => {
    showValue();
    const input = valueOf(kind());
    if (!input) return;
    input.value ||= kind() == "last" ? "50" : kind() == "ago" ? "15m" : kind() == "time" ? toLocal(new Date(Date.now() - 15 * 60_000).toISOString()) : "";
    input.focus();
  });
  $("filter-toggle").addEventListener("click", () => openForm($("filter-toggle").getAttribute("aria-expanded") != "true"));
  const openForm = (/** @type {boolean} */ to) => $("filter-toggle").setAttribute("aria-expanded", String(to));

  return {
    /** @param {Settings} s */
    show(s) {
      $("f-resource").value = s.resource;
      $("f-types").value = writeList(s.types);
      $("f-ids").value = writeList(s.ids);
      $("f-start").value = s.start.kind;
      const input = valueOf(s.start.kind);
      if (input) input.value = s.start.kind == "time" ? toLocal(s.start.value) : s.start.value;
      $("filter-summary").textContent = describe(s);
      showValue();
      changed(false);
      for (const field of form.querySelectorAll("input")) fault(field, "");
    },
    /** Goes to where the start is chosen. */
    focusStart() {
      openForm(true);
      if (kind() == "now") {
        $("f-start").value = "ago";
        $("f-start").dispatchEvent(new Event("change"));
        changed(true);
      } else (valueOf(kind()) ?? $("f-start")).focus();
    },
  };
}
