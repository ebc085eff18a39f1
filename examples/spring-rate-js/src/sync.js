// `/api/sync`: both directions in one exchange.
//
// The rule is last write wins by `updatedAt`; equal times are decided by the content's digest.
// Both are properties of the writes alone, so every order of arrival ends in the same state.
// `since` is the `cursor` of the previous answer, 0 at first.

import { connect } from "./connections.js";
import { pageNumber } from "./paging.js";
import * as records from "./records.js";
import { digestOf, invalid, parseId, parseSpring } from "./spring.js";
import { HttpError, json } from "./web.js";

// D1 binds at most 100 parameters to a statement; one of them is the owner.
const MAX_CHANGES = 99;
const PAGE = 500;
const MAX_CLOCK_AHEAD = 5 * 60_000;
const SEQUENCE = { lowest: 0, highest: 99_999_999 };
const MOMENT = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/;
const SINCE = `
SELECT ${records.COLUMNS} FROM calculations WHERE owner = ?1 AND seq > ?2 ORDER BY seq LIMIT ${PAGE + 1}
`;

/** `GET /api/sync?since=`: what the server has that the client has not seen. */
export async function pull(call) {
  const since = pageNumber(call.query.get("since"), "since", 0, SEQUENCE);
  const database = await connect(call.env);
  return json(answer(since, await database.rows(SINCE, call.owner, since)));
}

/**
 * `POST /api/sync {since, changes: [...]}`: send and receive.
 *
 * Answers `{applied: [id], conflicts: [{id, winner, clientUpdatedAt, serverUpdatedAt}], changes,
 * cursor, more}`. A conflict is a calculation that both sides changed, to different content,
 * since the client last looked.
 */
export async function exchange(call) {
  const body = call.json();
  const since = pageNumber(String(body.since ?? 0), "since", 0, SEQUENCE);
  const changes = await changesOf(body);
  const database = await connect(call.env);
  const before = await stored(database, call.owner, changes);
  const won = await apply(database, call.owner, changes);
  const rows = await database.rows(SINCE, call.owner, since);
  const collided = changes.filter((change) => collides(change, before.get(change.id), since));
  return json({
    ...answer(since, rows),
    applied: changes.filter((change) => won.has(change.id)).map((change) => change.id),
    conflicts: collided.map((change) => conflict(change, before.get(change.id), won.has(change.id))),
  });
}

async function stored(database, owner, changes) {
  if (!changes.length) return new Map();
  const marks = changes.map((_, place) => `?${place + 2}`).join(", ");
  const sql = `SELECT id, updated_at, digest, seq FROM calculations WHERE owner = ?1 AND id IN (${marks})`;
  const rows = await database.rows(sql, owner, ...changes.map((change) => change.id));
  return new Map(rows.map((row) => [row.id, row]));
}

async function apply(database, owner, changes) {
  if (!changes.length) return new Set();
  const statements = await Promise.all(
    changes.map(({ id, spring, updatedAt, deleted }) =>
      records.upsert(owner, id, spring, { updatedAt, deleted, when: records.LAST_WRITE_WINS }),
    ),
  );
  const outcomes = await database.batch(...statements);
  return new Set(changes.filter((_, place) => outcomes[place].changes).map((change) => change.id));
}

function collides(change, row, since) {
  return row !== undefined && row.seq > since && row.digest !== change.digest;
}

function conflict(change, row, won) {
  const winner = won ? "client" : "server";
  return { id: change.id, winner, clientUpdatedAt: change.updatedAt, serverUpdatedAt: row.updated_at };
}

function answer(since, rows) {
  const page = rows.slice(0, PAGE);
  return {
    changes: page.map(records.toJson),
    cursor: page.length ? page.at(-1).seq : since,
    more: rows.length > PAGE,
  };
}

async function changesOf(body) {
  const sent = body.changes ?? [];
  if (!Array.isArray(sent) || sent.length > MAX_CHANGES) {
    throw invalid("changes", `must be a list of at most ${MAX_CHANGES} calculations`);
  }
  const changes = await Promise.all(sent.map(changeOf));
  if (new Set(changes.map((change) => change.id)).size !== changes.length) {
    throw invalid("changes", "must name each id once");
  }
  return changes;
}

async function changeOf(item, index) {
  if (typeof item !== "object" || item === null || Array.isArray(item)) {
    throw invalid(`changes[${index}]`, "must be an object");
  }
  try {
    const [id, spring, updatedAt] = [parseId(item.id), parseSpring(item), momentOf(item.updatedAt)];
    const deleted = item.deleted === true;
    return { id, spring, updatedAt, deleted, digest: await digestOf(spring, deleted) };
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    throw new HttpError(error.status, error.code, `changes[${index}]: ${error.message}`);
  }
}

function momentOf(value) {
  const moment = typeof value === "string" && MOMENT.test(value) ? new Date(value) : new Date(Number.NaN);
  if (Number.isNaN(moment.getTime())) {
    throw invalid("updatedAt", "must be a time such as 2026-02-17T02:00:00.000Z");
  }
  // A clock far ahead would win against every later edit, for ever.
  if (moment.getTime() > Date.now() + MAX_CLOCK_AHEAD) {
    throw invalid("updatedAt", "is more than 5 minutes ahead of the server's clock");
  }
  return moment.toISOString();
}
