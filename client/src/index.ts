export { createClient } from "./client.js";
export { LivebridgeError } from "./protocol.js";
export { fullJitter } from "./retry.js";
export type * from "./types.js";
