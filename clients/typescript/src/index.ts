/** Heliograph's REST API in TypeScript: every path, body and answer has the type that the OpenAPI document gives it. */

import createClient, { type Client } from "openapi-fetch";

import type { components, paths } from "./schema.js";

export type { components, paths };

/** The API, called by method and path: `api.POST("/v1/messages", { body })`. */
export type Heliograph = Client<paths>;

/** Why a request was refused (RFC 9457). */
export type Problem = components["schemas"]["Problem"];

/** A refusal, as an error. `problem.code` is stable; `retryAfterS` is when to ask again, where the server says so. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";

  constructor(
    readonly problem: Problem,
    readonly retryAfterS: number | undefined,
  ) {
    super(`${problem.status} ${problem.code}: ${problem.detail}`);
  }
}

/** A client of the server at `url`, with an API key or an access token. */
export function heliograph(url: string, key: string): Heliograph {
  return createClient<paths>({ baseUrl: url, headers: { Authorization: `Bearer ${key}` } });
}

/** JSON where an operation can answer with a file, too: ask for files with `parseAs`, and read `data` yourself. */
type Json<T> = [Exclude<T, string>] extends [never] ? T : Exclude<T, string>;

/** What was answered; throws a `ProblemError` where that is a problem. */
export function answer<T>(said: { data?: T; error?: unknown; response: Response }): Json<NonNullable<T>> {
  if (said.data !== undefined && said.data !== null) {
    return said.data as Json<NonNullable<T>>;
  }
  const wait = Number(said.response.headers.get("Retry-After") ?? Number.NaN);
  throw new ProblemError(problemOf(said.error, said.response), Number.isFinite(wait) ? wait : undefined);
}

/** A page of some proxy is no problem of ours: it gets one of its own, as in the Python client. */
function problemOf(said: unknown, response: Response): Problem {
  if (typeof said === "object" && said !== null && "code" in said) {
    return said as Problem;
  }
  const { status, statusText: title } = response;
  const detail = "The answer is none of Heliograph's.";
  return { type: "about:blank", title, status, code: `http_${status}`, detail } as unknown as Problem;
}
