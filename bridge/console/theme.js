// Dark or light: as the system says, or as chosen here, kept in this browser.
// @ts-check
import { $, say } from "./dom.js";

const THEMES = /** @type {const} */ (["system", "dark", "light"]);
const KEPT = "livebridge-console-theme";

export function createTheme() {
  let theme = stored();
  const apply = () => {
    if (theme == "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    const text = `Colours: ${theme == "system" ? "as the system" : theme}`;
    $("theme").setAttribute("aria-label", text);
    $("theme").title = text;
  };
  $("theme").addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    try {
      localStorage.setItem(KEPT, theme);
    } catch {} // a browser that keeps nothing still switches
    apply();
    say($("theme").title);
  });
  apply();
}

/** @returns {typeof THEMES[number]} */
function stored() {
  try {
    return THEMES.find((t) => t == localStorage.getItem(KEPT)) ?? "system";
  } catch {
    return "system";
  }
}
