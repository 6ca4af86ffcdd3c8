// JSON for people: coloured when shown, exact when read.
// @ts-check
import { el } from "./dom.js";

const TOKEN = /("(?:\\.|[^"\\])*")(\s*:)?|\b(true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** An indented, coloured rendering. @param {unknown} value */
export function rendered(value) {
  const text = JSON.stringify(value, null, 2) ?? "null";
  const out = document.createDocumentFragment();
  let done = 0;
  for (const m of text.matchAll(TOKEN)) {
    const [all, string, colon, word] = m;
    const shown = string ?? all;
    out.append(text.slice(done, m.index), el("span", { className: colon ? "key" : string ? "string" : word ? "word" : "number", textContent: shown }));
    done = m.index + shown.length;
  }
  out.append(text.slice(done));
  return out;
}

/**
 * Reads JSON that is to be sent on. Throws with a text for people, also for a whole number that would lose digits on its way through
 * JavaScript.
 * @param {string} text
 */
export function read(text) {
  return JSON.parse(
    text,
    // @ts-ignore: the third parameter is newer than the type
    (key, value, context) => {
      if (typeof value == "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? ""))
        throw new Error(`the number ${context.source} is too long for this page: send it as a text, or with curl`);
      return value;
    },
  );
}

/** The bytes of a payload that is not JSON, as text as far as they are one. @param {string} base64 */
export function rawText(base64) {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  return new TextDecoder().decode(bytes);
}
