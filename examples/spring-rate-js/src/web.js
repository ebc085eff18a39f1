// One request, one answer, and the errors a client may be told.

const MAX_BODY_BYTES = 512 * 1024;

/** An answer other than success: HTTP status, a code for programs, a sentence for people. */
export class HttpError extends Error {
  constructor(status, code, message, headers = {}) {
    super(message);
    Object.assign(this, { status, code, headers });
  }

  response() {
    const error = { code: this.code, message: this.message };
    return json({ error }, this.status, this.headers);
  }
}

/** One request; `params` come from the route, `owner` from the bearer token ("" without one). */
export class Call {
  params = {};
  owner = "";

  constructor(request, env, body) {
    const { pathname, searchParams } = new URL(request.url);
    Object.assign(this, { method: request.method, path: pathname, query: searchParams });
    Object.assign(this, { headers: request.headers, env, body });
  }

  static async read(request, env) {
    const body = request.body ? await request.arrayBuffer() : new ArrayBuffer(0);
    if (body.byteLength > MAX_BODY_BYTES) {
      throw new HttpError(413, "too-large", `the body must not exceed ${MAX_BODY_BYTES} bytes`);
    }
    return new Call(request, env, body);
  }

  /** The body as a JSON object; 400 when it is something else, an empty body is `{}`. */
  json() {
    if (!this.body.byteLength) return {};
    let value;
    try {
      value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(this.body));
    } catch (error) {
      throw new HttpError(400, "invalid-json", `the body is not JSON: ${error.message}`);
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new HttpError(400, "invalid-json", "the body must be a JSON object");
    }
    return value;
  }
}

export function json(value, status = 200, headers = {}) {
  return new Response(JSON.stringify(value), {
    status,
    headers: { "content-type": "application/json", ...headers },
  });
}

export function nothing() {
  return new Response(null, { status: 204, headers: { "content-type": "application/json" } });
}

/** The answer with the version that gave it. */
export function named(response, env) {
  response.headers.set("x-version", env.CF_VERSION_METADATA.tag);
  response.headers.set("x-version-id", env.CF_VERSION_METADATA.id);
  return response;
}
