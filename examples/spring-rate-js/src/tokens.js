// Signed access tokens, verified without the database.

import { base64url, fromBase64url } from "./digests.js";
import { HttpError } from "./web.js";

const HMAC = { name: "HMAC", hash: "SHA-256" };
const keys = new Map();

/** A token for `owner` until `expiresAt` (epoch seconds): `payload.signature`, both base64url. */
export async function sign(secret, owner, expiresAt) {
  const payload = base64url(new TextEncoder().encode(JSON.stringify({ sub: owner, exp: expiresAt })));
  const signature = await crypto.subtle.sign(HMAC, await keyOf(secret), new TextEncoder().encode(payload));
  return `${payload}.${base64url(signature)}`;
}

/** The owner of a token; 401 when it is forged, broken or too old (`now` in epoch seconds). */
export async function verify(secret, token, now) {
  const [payload, signature = ""] = token.split(".", 2);
  const signed = new TextEncoder().encode(payload);
  const genuine = await crypto.subtle.verify(HMAC, await keyOf(secret), decoded(signature), signed);
  if (!genuine) throw unauthorized("invalid_token", "the token is not one of ours");
  const claims = JSON.parse(new TextDecoder().decode(decoded(payload)));
  if (claims.exp <= now) {
    throw unauthorized("invalid_token", "the token has expired; refresh it", "token-expired");
  }
  return claims.sub;
}

/** The 401 of RFC 6750, with its WWW-Authenticate header. */
export function unauthorized(error, message, code = "unauthorized") {
  const challenge = `Bearer realm="spring-rate-api"${error ? `, error="${error}"` : ""}`;
  return new HttpError(401, code, message, { "WWW-Authenticate": challenge });
}

async function keyOf(secret) {
  if (!keys.has(secret)) {
    const raw = new TextEncoder().encode(secret);
    keys.set(secret, await crypto.subtle.importKey("raw", raw, HMAC, false, ["sign", "verify"]));
  }
  return keys.get(secret);
}

function decoded(text) {
  try {
    return fromBase64url(text);
  } catch {
    throw unauthorized("invalid_token", "the token is not one of ours");
  }
}
