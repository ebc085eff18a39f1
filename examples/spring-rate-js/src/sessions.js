// `/api/sessions`: short access tokens, long refresh tokens.
//
// A session is anonymous: the client's own random `clientId` says whose calculations these
// are, so that two devices that share it share their data.

import { connect } from "./connections.js";
import { randomToken, sha256 } from "./digests.js";
import { ID, invalid } from "./spring.js";
import * as tokens from "./tokens.js";
import { json, nothing } from "./web.js";

const ACCESS_SECONDS = 900;
const REFRESH_SECONDS = 14 * 86_400;

const INSERT = "INSERT INTO sessions (refresh_hash, owner, expires_at) VALUES (?1, ?2, ?3)";
const PURGE = "DELETE FROM sessions WHERE expires_at < ?1";
const FIND = "SELECT owner FROM sessions WHERE refresh_hash = ?1 AND revoked_at IS NULL AND expires_at > ?2";
const SPEND =
  "UPDATE sessions SET revoked_at = ?2 WHERE refresh_hash = ?1 AND revoked_at IS NULL AND owner = ?3";

/** The owner named by the bearer token; 401 without a valid one. */
export async function ownerOf(call) {
  const [scheme, token = ""] = (call.headers.get("authorization") ?? "").split(/ (.*)/s);
  if (scheme.toLowerCase() !== "bearer" || !token) {
    throw tokens.unauthorized("", "send Authorization: Bearer <token>");
  }
  return tokens.verify(call.env.SESSION_SECRET, token.trim(), Date.now() / 1000);
}

/** `POST /api/sessions {clientId?, ttl?}`: 201 `{token, refreshToken, expiresAt}`. */
export async function create(call) {
  const body = call.json();
  const [owner, ttl] = [clientId(body), ttlOf(body)];
  const database = await connect(call.env);
  const [refreshToken, insert] = await newRefreshToken(owner);
  await database.batch([PURGE, [seconds()]], insert);
  return json(await session(call.env, owner, refreshToken, ttl), 201);
}

/** `POST /api/sessions/refresh {refreshToken, ttl?}`: a new pair; the old refresh token is spent. */
export async function refresh(call) {
  const body = call.json();
  const [ttl, hashed] = [ttlOf(body), await sha256(refreshTokenOf(body))];
  const database = await connect(call.env);
  const found = await database.row(FIND, hashed, seconds());
  if (!found || !(await database.write(SPEND, hashed, seconds(), found.owner))) throw refused();
  const [refreshToken, [sql, params]] = await newRefreshToken(found.owner);
  await database.write(sql, ...params);
  return json(await session(call.env, found.owner, refreshToken, ttl));
}

/** `DELETE /api/sessions {refreshToken}`: 204; the access token lapses by itself. */
export async function revoke(call) {
  const hashed = await sha256(refreshTokenOf(call.json()));
  const database = await connect(call.env);
  if (!(await database.write(SPEND, hashed, seconds(), call.owner))) throw refused();
  return nothing();
}

async function session(env, owner, refreshToken, ttl) {
  const expiresAt = seconds() + ttl;
  const token = await tokens.sign(env.SESSION_SECRET, owner, expiresAt);
  return { token, refreshToken, expiresAt: new Date(expiresAt * 1000).toISOString() };
}

async function newRefreshToken(owner) {
  const token = randomToken();
  return [token, [INSERT, [await sha256(token), owner, seconds() + REFRESH_SECONDS]]];
}

function seconds() {
  return Math.floor(Date.now() / 1000);
}

function clientId(body) {
  const value = body.clientId ?? "";
  if (value === "") return crypto.randomUUID();
  if (typeof value !== "string" || !ID.test(value)) {
    throw invalid("clientId", "must be 8 to 64 letters, digits, - or _");
  }
  return value;
}

function ttlOf(body) {
  const value = body.ttl ?? ACCESS_SECONDS;
  if (!Number.isInteger(value) || value < 1 || value > ACCESS_SECONDS) {
    throw invalid("ttl", `must be a whole number of seconds from 1 to ${ACCESS_SECONDS}`);
  }
  return value;
}

function refreshTokenOf(body) {
  const value = body.refreshToken;
  if (typeof value !== "string" || !value) throw invalid("refreshToken", "is missing");
  return value;
}

function refused() {
  return tokens.unauthorized("invalid_token", "the refresh token is unknown, spent, revoked or expired");
}
