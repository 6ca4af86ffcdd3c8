// Counters, and the plot of events per second.
// @ts-check
import { $, count } from "./dom.js";

const SECONDS = 120;
const AVERAGE = 3; // seconds of "rate now"
const HEIGHT = 30; // of the plot's viewBox
const LOWEST = 5; // events/s at the top of the plot, at least

/** Counts what the subscription gets, and draws it. */
export function createRate() {
  // One bucket per second, in a ring; `second` is the one that is filled now.
  const live = new Array(SECONDS + 1).fill(0);
  const replayed = new Array(SECONDS + 1).fill(0);
  const now = () => Math.floor(performance.now() / 1000);
  const at = (/** @type {number} */ s) => ((s % live.length) + live.length) % live.length;
  let second = now();
  let total = { received: 0, replayed: 0, resets: 0 };

  const advance = () => {
    const to = now();
    for (let s = Math.max(second + 1, to - SECONDS); s <= to; s++) live[at(s)] = replayed[at(s)] = 0;
    second = to;
  };
  /** @param {number[]} list @param {number} top */
  const bars = (list, top) => {
    let d = "";
    for (let x = 0; x < SECONDS; x++) {
      const n = list[at(second - SECONDS + x)];
      if (n) d += `M${x} ${HEIGHT}v-${Math.max(1.2, (Math.min(n, top) / top) * HEIGHT).toFixed(1)}h.8V${HEIGHT}z`;
    }
    return d;
  };
  const draw = () => {
    advance();
    let sum = 0;
    for (let s = 1; s <= AVERAGE; s++) sum += live[at(second - s)];
    const rate = sum / AVERAGE;
    const peak = Math.max(...live);
    const text = `${rate > 0 && rate < 9.95 ? rate.toFixed(1) : count(Math.round(rate))}/s`;
    const [past, present] = $("plot").children;
    past.setAttribute("d", bars(replayed, Math.max(peak, LOWEST)));
    present.setAttribute("d", bars(live, Math.max(peak, LOWEST)));
    $("plot").setAttribute("aria-label", `Events per second over the last two minutes: now ${text}, at most ${count(peak)}/s`);
    $("peak").textContent = `peak ${count(peak)}/s`;
    $("rate").textContent = text;
    show();
  };
  const show = () => {
    $("received").textContent = count(total.received);
    $("replayed").textContent = count(total.replayed);
    $("resets").textContent = count(total.resets);
    $("resets").parentElement.className = total.resets ? "warn" : "";
  };
  setInterval(draw, 1000);
  draw();

  return {
    show,
    /** @param {boolean} past */
    event(past) {
      advance();
      total.received++;
      if (past) total.replayed++;
      (past ? replayed : live)[at(second)]++;
    },
    reset() {
      total.resets++;
      show();
    },
    /** A new subscription counts from zero; the plot goes on. */
    restart() {
      total = { received: 0, replayed: 0, resets: 0 };
      show();
    },
    get replayed() {
      return total.replayed;
    },
  };
}
