// The gateway's API. Every address is relative to the page, so a prefix in front does no harm.

let key = ""; // in memory only; closing the page forgets it

export const setKey = (value) => { key = value.trim(); };
export const hasKey = () => key !== "";

/** An answer that is an error: HTTP status (0: no answer at all), OpenAI's code and message. */
export class ApiError extends Error {
  constructor(status, { message = "", code = "", retryAfter = null } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

async function call(path, { body, signal } = {}) {
  const headers = {};
  if (body) headers["Content-Type"] = "application/json";
  if (key) headers.Authorization = `Bearer ${key}`;
  let response;
  try {
    response = await fetch(path, {
      method: body ? "POST" : "GET",
      headers,
      body: body && JSON.stringify(body),
      signal,
      cache: "no-store",
      credentials: "same-origin",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0);
  }
  if (!response.ok) throw await errorOf(response);
  return response;
}

async function errorOf(response) {
  let error = {};
  try {
    error = (await response.json()).error ?? {};
  } catch {
    error = {}; // something in front of the gateway answered; the status has to do
  }
  return new ApiError(response.status, {
    message: String(error.message ?? ""),
    code: String(error.code ?? ""),
    retryAfter: response.headers.get("Retry-After"),
  });
}

/** What the server is: `{ id, notice, limits, units }`; fields it does not send are undefined. */
export async function server() {
  const found = await (await call("v1/models")).json();
  const model = found.data[0];
  return {
    id: model.id,
    notice: model.notice ?? "",
    limits: model.limits ?? {},
    units: model.units_on_real_faces,
  };
}

/** The closed label sets, written from `facellm.labels`. */
export const labels = async () => (await call("page/labels.json")).json();

/** Faces of one picture with their readings and exact places: `{ faces, notice }`. */
export async function readings(image, signal) {
  const body = { images: [image], landmarks: true };
  const found = await (await call("v1/readings", { body, signal })).json();
  return { faces: found.data[0].faces, notice: found.notice };
}

/**
 * Pieces of an answer as they are written: `{ text }`, and once `{ finish }`.
 * `face` asks about one face alone; null asks about all of them.
 */
export async function* answer({ model, messages, face, signal }) {
  const body = { model, messages, stream: true };
  if (face !== null) body.face = face;
  const response = await call("v1/chat/completions", { body, signal });
  let whole = false;
  for await (const data of events(response.body)) {
    if (data === "[DONE]") return;
    const chunk = JSON.parse(data);
    if (chunk.error) throw new ApiError(Number(chunk.error.status) || 503, chunk.error);
    const choice = chunk.choices?.[0];
    if (choice?.delta?.content) yield { text: choice.delta.content };
    if (choice?.finish_reason) yield { finish: choice.finish_reason };
    whole ||= Boolean(choice?.finish_reason);
  }
  if (!whole) throw new ApiError(0); // the connection ended before the answer did
}

/** Data of server-sent events, however the network cuts them. */
export async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      rest = (rest + (value ?? "")).replaceAll("\r\n", "\n");
      const blocks = rest.split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const lines = block.split("\n").filter((line) => line.startsWith("data:"));
        if (lines.length) yield lines.map((line) => line.slice(5).trimStart()).join("\n");
      }
      if (done) return;
    }
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0);
  } finally {
    reader.cancel().catch(() => {}); // already closed where the stream ended by itself
  }
}
