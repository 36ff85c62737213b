/*
 * How the chat speaks to the server: plain JSON calls, event streams, and what a refusal means.
 */

const CALL_MS = 15_000;

/** A clear no from the server, as opposed to a connection that broke. */
export class Refused extends Error {
  constructor(code, retryAfter = 0) {
    super(code);
    this.code = code;
    this.retryAfter = Math.max(0, Number(retryAfter) || 0); // an HTTP date counts as none
  }
}

const CODES = {
  400: "invalid", 401: "gone", 403: "gone", 404: "gone", 413: "invalid", 422: "invalid", 429: "rate_limited",
};

export async function refusal(response) {
  const told = await response.json().catch(() => ({}));
  const code = told.code === "busy" ? "busy" : CODES[response.status] || "unavailable";
  return new Refused(code, told.retry_after ?? response.headers.get("Retry-After"));
}

/** One JSON call. No cookies: the visitor proves themselves by the token, whoever is logged in beside. */
export async function call(method, url, { token, body, cache = "no-store" } = {}) {
  const headers = { Accept: "application/json" };
  if (body) headers["Content-Type"] = "application/json";
  if (token) headers.Authorization = `Bearer ${token}`;
  const response = await fetch(url, {
    method,
    headers,
    body: body && JSON.stringify(body),
    credentials: "omit",
    cache,
    signal: AbortSignal.timeout(CALL_MS),
  });
  if (!response.ok) throw await refusal(response);
  return response.json();
}

/** The events of an event stream, as {name, data}. `alive` is called for each chunk. */
export async function* events(body, alive) {
  const reader = body.getReader();
  const decoder = new TextDecoder(); // holds back the first half of a character that a chunk cuts in two
  let rest = "";
  let name = "message";
  let data = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return; // an event without its blank line is incomplete: drop it
      alive();
      // A carriage return at the very end may be half of a CRLF: it waits for the next chunk.
      const lines = (rest + decoder.decode(value, { stream: true })).split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop();
      for (const line of lines) {
        const [, field, content] = /^([^:]*)(?:: ?(.*))?$/s.exec(line);
        if (field === "event") name = content ?? "";
        else if (field === "data") data.push(content ?? "");
        else if (!line) {
          if (data.length) yield { name, data: JSON.parse(data.join("\n")) };
          name = "message";
          data = [];
        }
      }
    }
  } finally {
    reader.cancel().catch(() => {}); // already closed
  }
}
