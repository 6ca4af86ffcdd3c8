// Command lines to paste, and the subject that an event has in NATS. Pure.
// @ts-check

const utf8 = new TextEncoder();

/** One token of a subject, as PROTOCOL.md writes them. @param {string} text */
export function token(text) {
  if (text == "") return "_";
  if (text == "_") return "%5F";
  const byte = (/** @type {number} */ b) => "%" + b.toString(16).toUpperCase().padStart(2, "0");
  return text.replace(/[^A-Za-z0-9_-]+/g, (other) => Array.from(utf8.encode(other), byte).join(""));
}

/** @param {string} resource @param {string} type @param {string} id */
export const subject = (resource, type, id) => `live.${token(resource)}.${token(type)}.${token(id)}`;

/** @param {string} text */
const quote = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

/** @typedef {{ resource: string, type: string, id: string, payload: unknown }} Sample */

/** @param {string} origin of the bridge @param {Sample} event @param {boolean} token whether it asks for one */
export const curlLine = (origin, event, token) =>
  `curl ${quote(origin + "/v1/events")} ${token ? '-H "Authorization: Bearer $TOKEN" ' : ""}-H 'Content-Type: application/json' -d ${quote(JSON.stringify(event))}`;

/** @param {string} server "" = that of the nats program's own settings @param {Sample} event */
export const natsLine = (server, { resource, type, id, payload }) =>
  `nats pub ${server && `-s ${quote(server)} `}${subject(resource, type, id)} ${quote(JSON.stringify(payload))}`;
