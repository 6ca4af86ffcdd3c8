// What a server renders; the hook in a page is shown by e2e/refine.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createElement } from "react";
import { renderToString } from "react-dom/server";
import { createClient } from "../src/client.js";
import { useLiveStatus } from "../src/react.js";

test("useLiveStatus on a server says closed and connects nothing", () => {
  const client = createClient({ url: "/v1/ws" });
  const Badge = () => createElement("b", null, JSON.stringify(useLiveStatus(client)));
  assert.equal(renderToString(createElement(Badge)).replaceAll("&quot;", '"'), '<b>{"state":"closed","attempt":0}</b>');
});
