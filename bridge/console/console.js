// The console: wires the client of Livebridge to the page.
// @ts-check
import { createCable } from "./cable.js";
import { createConnection } from "./connection.js";
import { $, copy, count, el, plural, say } from "./dom.js";
import { notice, withdraw } from "./notices.js";
import { createPublisher } from "./publish.js";
import { createRate } from "./rate.js";
import { fromHash, toHash, toSubscription } from "./settings.js";
import { curlLine, natsLine } from "./shell.js";
import { createSubscriptionForm } from "./subscription.js";
import { createTokenForm } from "./token.js";
import { CAP, createTable, shownText } from "./table.js";
import { createTheme } from "./theme.js";

const { createClient } = /** @type {any} */ (globalThis).livebridge;
const RESETS = {
  expired: "The start is older than what is still stored. Events were missed; the table is live from here.",
  stream: "The stream was recreated, or has lost its newest events. Events were missed; the table is live from here.",
  limit: "There was more to replay than the bridge allows. Events were missed; the table is live from here.",
};
const PASSING = ["rate_limited", "unavailable", "internal", "failed"]; // after these the client tries again by itself

let settings = fromHash(location.hash);
const cable = createCable();
const tokens = createTokenForm({
  fresh(token) {
    if (client.state == "closed") subscribe(); // refused for good
    else cable.send({ op: "token", token });
  },
  other() {
    client.close();
    subscribe();
  },
  forget() {
    client.close();
    subscribe();
  },
  changed: () => showNumbers(),
});
const client = createClient({ url: "v1/ws", WebSocket: cable.WebSocket, linger: 0, getToken: tokens.asked ? tokens.get : undefined });
const rate = createRate();
const table = createTable({ replay: replayAfter, again: (e) => publisher.fill(e) }, showNumbers);
const publisher = createPublisher(client, () => settings);
const connection = createConnection(client, cable, { connect: subscribe, cut: () => table.point("lost", "cable cut") });
const form = createSubscriptionForm((changed) => apply({ ...settings, ...changed }));
createTheme();

// --- the subscription

/** @type {{ close(): void } | undefined} */
let handle;
let pending = false; // asked for, and not live yet
let refusal = ""; // what the bridge said against it
let lost = false; // the connection, and it is not back yet
let lostAt = 0; // how many events had been replayed then

function subscribe() {
  handle?.close();
  pending = true;
  refusal = "";
  withdraw("Refused");
  rate.restart();
  lostAt = 0;
  table.clear();
  connection.subscription("replaying");
  handle = client.subscribe({ ...toSubscription(settings), onLive }, take);
}

/** @param {any} message */
function take(message) {
  if (message.kind == "reset") {
    rate.reset();
    table.point("reset", `reset (${message.reason}): events were missed`);
    notice("warn", "Reset: " + message.reason, RESETS[/** @type {keyof typeof RESETS} */ (message.reason)]);
    return;
  }
  rate.event(message.replayed);
  table.event(message);
  learn("resources", message.resource);
  learn("types", message.type);
}

function onLive() {
  pending = false;
  connection.subscription("");
  lostAt = rate.replayed;
  if (rate.replayed) table.point("live", `${plural(rate.replayed, "event")} replayed, live from here`);
}

/** @param {import("./settings.js").Settings} next */
function apply(next) {
  settings = next;
  history.replaceState(null, "", "#" + toHash(settings));
  form.show(settings);
  showHints();
  subscribe();
}

/** @param {string} cursor */
function replayAfter(cursor) {
  apply({ ...settings, start: { kind: "after", value: cursor } });
  say("Replaying after this event");
}

addEventListener("hashchange", () => {
  settings = fromHash(location.hash);
  begin();
});

// --- recovery and refusals

client.on("state", (/** @type {string} */ state) => {
  if (state == "offline" && !lost && client.session) {
    lost = true;
    lostAt = rate.replayed;
    if (!cable.cut) table.point("lost", "connection lost");
  } else if (state == "live" && lost) {
    lost = false;
    const missed = rate.replayed - lostAt;
    table.point("live", missed ? `connected again, ${plural(missed, "missed event")} replayed` : "connected again, nothing was missed");
  }
});
client.on("error", (/** @type {{ code: string, message: string }} */ { code, message }) => {
  if (code == "failed" && cable.cut) return; // the cable says so itself
  if (code == "unauthorized" && tokens.asked && client.state != "closed") return; // the form for the token says so
  const final = client.state == "closed" || (pending && !PASSING.includes(code));
  notice("error", final ? "Refused" : "Error", `${message} (${code})`);
  if (!final) return;
  pending = false;
  refusal = message;
  connection.subscription("refused");
  showNumbers();
});

// --- the view

const learned = new Set(["created", "updated", "deleted"].map((word) => "types " + word));
/** Offers a word that was seen in the fields that ask for one. @param {string} list @param {string} word */
function learn(list, word) {
  const key = `${list} ${word}`;
  if (learned.has(key) || learned.size > 300) return;
  learned.add(key);
  $(list).append(el("option", { value: word }));
}

function showNumbers() {
  const { numbers, paused } = table;
  $("shown").textContent = shownText(numbers, settings.search != "");
  $("pause").setAttribute("aria-pressed", String(paused));
  $("pause-text").textContent = !paused ? "Pause" : numbers.held ? `Resume, ${numbers.held == CAP ? count(CAP) + " or more" : count(numbers.held)} new` : "Resume";
  $("empty").hidden = settings.search && numbers.all ? numbers.shown > 0 : numbers.children > 0;
  const [title, text] = numbers.all
    ? ["No row matches", `Nothing in the ${count(numbers.all)} rows has “${settings.search}” in it.`]
    : refusal
      ? ["The bridge refused this subscription", refusal]
      : paused
        ? ["Paused", "What comes is kept, and shown when you resume."]
        : tokens.waits
          ? ["Waiting for a token", "This bridge asks for one. For development, bridge token makes it."]
          : ["Waiting for events", "Nothing has come yet. Publish an event with the button above, or from a shell:"];
  $("empty-title").textContent = title;
  $("empty-text").textContent = text;
  $("hints").hidden = numbers.all > 0 || refusal != "" || paused || tokens.waits;
}

function showHints() {
  const { resource, types, ids } = settings;
  const sample = { resource: resource || "products", type: types[0] ?? "updated", id: ids[0] ?? "42", payload: { price: 10 } };
  const server = /** @type {HTMLMetaElement} */ (document.querySelector("meta[name=livebridge-nats]")).content;
  $("hint-curl").textContent = curlLine(location.href.replace(/[#?].*$/, "").replace(/\/$/, ""), sample, tokens.asked);
  $("hint-nats").textContent = natsLine(server, sample);
}

function togglePause() {
  table.pause(!table.paused);
  say(table.paused ? "Paused" : "Resumed");
}

$("search").addEventListener("input", () => {
  settings = { ...settings, search: $("search").value };
  history.replaceState(null, "", "#" + toHash(settings));
  table.search(settings.search);
});
$("pause").addEventListener("click", togglePause);
$("clear").addEventListener("click", () => table.clear());
$("help-open").addEventListener("click", () => $("help").showModal());
for (const button of document.querySelectorAll("[data-copy]"))
  button.addEventListener("click", () => copy($(/** @type {HTMLElement} */ (button).dataset.copy ?? "").textContent, /** @type {HTMLElement} */ (button)));

// --- the keyboard

/** @type {Record<string, () => void>} */
const keys = {
  "/": () => $("search").focus(),
  p: publisher.open,
  r: form.focusStart,
  " ": togglePause,
  "?": () => $("help").showModal(),
  Escape: publisher.close,
};

document.addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey || $("help").open) return;
  const target = /** @type {HTMLElement} */ (e.target);
  if (target.closest("input, select, textarea")) {
    if (e.key == "Escape") target.blur();
    return;
  }
  if (target.closest("button, pre") && (e.key == " " || e.key.startsWith("Arrow") || e.key == "Enter")) return;
  if (e.key in keys) keys[e.key]();
  else if (!table.key(e.key)) return;
  e.preventDefault();
});

// --- the start

function begin() {
  $("search").value = settings.search;
  table.search(settings.search);
  form.show(settings);
  showHints();
  subscribe();
}
$("foot-host").textContent = location.host;
begin();
