// Mints a token for a user, as a backend does for whoever is logged in; no library is needed for HS256:
//
//	node examples/tokens/node/mint.mjs jwt.secret ada
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";

const [file, user] = process.argv.slice(2);
if (!user) {
  console.error("give the file with the secret, and the user");
  process.exit(2);
}
console.log(mint(readFileSync(file, "utf8").trim(), user));

// A token that lets a user see and publish products, and replay a day of them, for the next 15 minutes.
function mint(secret, user) {
  const now = Math.floor(Date.now() / 1000);
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const head = part({ alg: "HS256", typ: "JWT" });
  const body = part({
    sub: user,
    iat: now, // so that this user's tokens can be revoked, and a new one counts again
    exp: now + 15 * 60,
    live: { subscribe: ["products.>"], publish: ["products.>"], history: "24h" },
  });
  return `${head}.${body}.${createHmac("sha256", secret).update(`${head}.${body}`).digest("base64url")}`;
}
