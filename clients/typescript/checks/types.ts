/** What the types must refuse: each line is an error, or the compilation fails. Never run. */

import { heliograph } from "../src/index.js";

export async function refused(): Promise<void> {
  const api = heliograph("http://127.0.0.1:8080", "");
  // @ts-expect-error a number is a text
  await api.POST("/v1/messages", { body: { to: 14155550123, text: "hello" } });
  // @ts-expect-error no recipient
  await api.POST("/v1/messages", { body: { text: "hello" } });
  // @ts-expect-error a path that is none
  await api.GET("/v1/drafts");
  // @ts-expect-error a type of traffic that is none
  await api.POST("/v1/messages", { body: { to: "+14155550123", text: "hello", type: "urgent" } });
  // @ts-expect-error a path without its id
  await api.GET("/v1/messages/{id}");
}
