// The badge: how the connection is, when the next try comes, and the cable to cut.
// @ts-check
import { $, say } from "./dom.js";
import { retryNow } from "./cable.js";

const CUT = 5; // seconds

const WORDS = { connecting: "Connecting", live: "Live", resuming: "Resuming", offline: "Offline", closed: "Closed", replaying: "Replaying", refused: "Refused" };
/** @typedef {keyof typeof WORDS} Word */

/**
 * @param {any} client @param {ReturnType<typeof import("./cable.js").createCable>} cable
 * @param {{ connect: () => void, cut: () => void }} actions
 */
export function createConnection(client, cable, { connect, cut }) {
  /** @type {"replaying" | "refused" | ""} */
  let subscription = "";
  let mendAt = 0;
  let told = "";

  const seconds = (/** @type {number} */ at) => Math.max(0, Math.ceil((at - Date.now()) / 1000));
  const show = () => {
    const { state, retryAt } = client.status;
    /** @type {Word} */
    const word = subscription && (state == "live" || (state == "connecting" && client.session)) ? subscription : state;
    $("badge").dataset.state = word == "replaying" ? "resuming" : word;
    $("state").textContent = WORDS[word];
    $("retry").textContent = state == "offline" ? (retryAt ? `next try in ${seconds(retryAt)} s` : "waits for the network") : "";
    $("connect").hidden = cable.cut || (state != "offline" && state != "closed");
    $("connect").textContent = state == "closed" ? "Connect" : "Try now";
    $("session").textContent = client.session ?? "none yet";
    $("cable").classList.toggle("cut", cable.cut);
    $("cable-text").textContent = cable.cut ? `Plug in (${seconds(mendAt)})` : "Cut the cable";
    if (told != word) say(WORDS[(told = word)]);
  };
  const tick = () => {
    if (cable.cut && Date.now() >= mendAt) cable.mend();
    show();
  };

  $("cable").addEventListener("click", () => {
    if (cable.cut) cable.mend();
    else {
      mendAt = Date.now() + CUT * 1000;
      cut();
      cable.pull();
    }
    show();
  });
  $("connect").addEventListener("click", () => (client.state == "closed" ? connect() : retryNow()));
  client.on("state", show);
  setInterval(tick, 250);
  show();

  return {
    /** What the badge says while connected, besides "Live". @param {typeof subscription} word */
    subscription(word) {
      subscription = word;
      show();
    },
  };
}
