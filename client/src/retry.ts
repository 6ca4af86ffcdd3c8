import type { RetryPolicy } from "./types.js";

/** Capped full jitter: before try n, any time from 0 to min(cap, base * 2^n) ms, so that a crowd comes back spread out. */
export const fullJitter =
  (base = 250, cap = 15_000): RetryPolicy =>
  (attempt) =>
    Math.random() * Math.min(cap, base * 2 ** attempt);
