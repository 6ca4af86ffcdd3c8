// Publishes one event over HTTP, without any package: node publish.mjs [http://127.0.0.1:8080]
const bridge = process.argv[2] ?? "http://127.0.0.1:8080";

const response = await fetch(`${bridge}/v1/events`, {
  method: "POST",
  headers: {
    "Content-Type": "application/json",
    "Idempotency-Key": `order-77-paid`, // the same key within two minutes is stored once
    // "X-Live-Origin": req.headers["x-live-origin"],  in a backend: which browser session caused the change
  },
  body: JSON.stringify({ resource: "orders", type: "paid", id: 77, payload: { total: 19.9 }, meta: { user: "node" } }),
});
const answer = await response.json();
if (!response.ok) throw new Error(`${answer.error.code}: ${answer.error.message}`);
console.log("stored:", answer.events[0]);
