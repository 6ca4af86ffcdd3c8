// Small helpers for the page. Text reaches it as text only: nothing here makes HTML of it.
// @ts-check

/** The element with this id. @param {string} id @returns {any} */
export const $ = (id) => document.getElementById(id);

/**
 * Makes an element. Keys of props that begin with "on" are listeners, `className` and `textContent` are set as properties, all others as
 * attributes; undefined and false are left out.
 * @param {string} name @param {Record<string, any>} [props] @param {...(Node | string | false | undefined)} children
 */
export function el(name, props = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key == "className" || key == "textContent") node[key] = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  for (const child of children) if (child !== undefined && child !== false) node.append(child);
  return node;
}

/** Puts text into the clipboard, and says so on the button. @param {string} text @param {HTMLElement} button */
export async function copy(text, button) {
  const label = button.textContent;
  button.textContent = (await write(text)) ? "Copied" : "Not allowed";
  setTimeout(() => (button.textContent = label), 1200);
}

/** @param {string} text */
async function write(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return writeOld(text); // over plain http there is no clipboard API, except on this machine
  }
}

/** @param {string} text */
function writeOld(text) {
  const before = /** @type {HTMLElement | null} */ (document.activeElement);
  const area = /** @type {HTMLTextAreaElement} */ (el("textarea", { className: "sr", readonly: true }));
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  before?.focus();
  return done;
}

/** A button that copies. @param {string} label @param {() => string} text */
export function copyButton(label, text) {
  const button = el("button", { type: "button", className: "small", textContent: label, onclick: () => copy(text(), button) });
  return button;
}

let saying = 0;
/** Tells those who listen to the page instead of looking at it. @param {string} text */
export function say(text) {
  const region = $("say");
  region.textContent = "";
  clearTimeout(saying);
  saying = setTimeout(() => (region.textContent = text), 50); // the same text twice is a change, too
}

/** @param {number} n */
export const count = (n) => n.toLocaleString("en");

/** @param {number} n @param {string} one @param {string} [many] */
export const plural = (n, one, many = one + "s") => `${count(n)} ${n == 1 ? one : many}`;

/** @param {Date} d */
export const clock = (d) => d.toTimeString().slice(0, 8);
