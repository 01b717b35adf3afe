/** Sends a message, finds it in the list, and reads a problem. Server, key and numbers come from the environment. */

import { answer, heliograph, ProblemError } from "../src/index.js";

const api = heliograph(process.env["HELIOGRAPH_URL"] ?? "http://127.0.0.1:8080", process.env["HELIOGRAPH_KEY"] ?? "");
const to = process.env["TO"] ?? "+14155550123";
const from = process.env["FROM"] ?? "12345";

const once = { "Idempotency-Key": crypto.randomUUID() };
const body = { to, from, text: "Your table is ready.", client_ref: "table-7" };
const sent = answer(await api.POST("/v1/messages", { body, params: { header: once } }));
const again = answer(await api.POST("/v1/messages", { body, params: { header: once } }));
console.log(JSON.stringify({ sent: sent.id, again: again.id }));

const page = answer(await api.GET("/v1/messages", { params: { query: { client_ref: "table-7" } } }));
console.log(JSON.stringify({ listed: page.messages.map((one) => ({ id: one.id, to: one.to, text: one.text })) }));

const message = answer(await api.GET("/v1/messages/{id}", { params: { path: { id: sent.id } } }));
console.log(JSON.stringify({ state: message.state, segments: message.segments }));

try {
  answer(await api.POST("/v1/messages", { body: { ...body, to: "123" } }));
} catch (refused) {
  if (!(refused instanceof ProblemError)) {
    throw refused;
  }
  console.log(JSON.stringify({ problem: refused.problem.code, field: refused.problem.field, status: refused.problem.status }));
}
