// The token that the bridge asks for. It is held in memory alone: not in the address, not in the browser's stores, not in a field.
// @ts-check
import { $, clock, plural, say } from "./dom.js";

const SOON = 60; // seconds before its end

/** What a token says, as far as it can be read. @param {string} token @returns {{ sub?: string, exp?: number } | undefined} */
function read(token) {
  try {
    const bytes = Uint8Array.from(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes));
    return claims && typeof claims == "object" ? claims : undefined;
  } catch {}
}

/**
 * The form for it. Without a form on the page the bridge asks for none.
 * @param {{ fresh(token: string): void, other(): void, forget(): void, changed(): void }} actions what to do with a token that takes
 * another's place: one of the same user, one of another user; when there is to be none any more; and after every change
 */
export function createTokenForm({ fresh, other, forget, changed }) {
  const form = $("token-form");
  const field = /** @type {HTMLInputElement} */ ($("token"));
  let token = "";
  let refused = false;
  /** @type {((token: string) => void) | undefined} */
  let wanted; // the client waits for one

  const show = () => {
    const { sub, exp } = read(token) ?? {};
    const left = Number(exp) - Date.now() / 1000;
    const end = !exp ? "" : left > SOON ? `, until ${clock(new Date(exp * 1000))}` : left > 0 ? `, for ${plural(Math.ceil(left), "second")} more` : ", expired";
    form.dataset.state = refused ? "refused" : !token ? "none" : left <= SOON ? "soon" : "held";
    $("token-text").textContent = refused
      ? "The bridge does not accept this token, or not any more. Give it a fresh one: what was missed meanwhile follows."
      : token
        ? `${sub || "no user named"}${end}`
        : "This bridge asks for a token. It stays in this page's memory, and is gone when the page is.";
    $("token-forget").hidden = !token;
    $("token-use").textContent = token ? "Replace" : "Use token";
  };
  const fault = (/** @type {string} */ text) => {
    field.setCustomValidity(text);
    field.setAttribute("aria-invalid", String(text != ""));
    if (text) field.reportValidity();
  };

  const use = () => {
    const given = field.value.trim().replace(/^Bearer\s+/i, "");
    if (!read(given)) return fault("not a token: it has three parts with dots between them, as bridge token prints it");
    fault("");
    const before = token;
    field.value = "";
    token = given;
    refused = false;
    if (wanted) {
      wanted(token);
      wanted = undefined;
    } else if (read(before)?.sub == read(token)?.sub) fresh(token);
    else other();
    show();
    changed();
    say("The token is in use");
  };

  if (form) {
    form.addEventListener("submit", (/** @type {Event} */ e) => {
      e.preventDefault();
      use();
    });
    field.addEventListener("input", () => fault(""));
    $("token-forget").addEventListener("click", () => {
      token = "";
      refused = false;
      forget();
      show();
      changed();
      field.focus();
    });
    setInterval(show, 1000);
    show();
    field.focus();
  }

  return {
    asked: Boolean(form),
    get waits() {
      return Boolean(form) && !token;
    },
    /** What the client connects with. Without one, and after a refusal, it waits until there is another. @param {string} why */
    get(why) {
      if (why == "refused") {
        token = "";
        refused = true;
        show();
        changed();
        say("The bridge asks for a fresh token");
        field.focus();
      }
      return token || why == "expiring" ? token || null : new Promise((resolve) => (wanted = resolve));
    },
  };
}
