// `/api/calculations`: create, read, update, delete.

import { connect } from "./connections.js";
import * as records from "./records.js";
import { digestOf, invalid, parseId, parseSpring, rate } from "./spring.js";
import { HttpError, json, nothing } from "./web.js";

const SELECT = `SELECT ${records.COLUMNS} FROM calculations WHERE owner = ?1 AND id = ?2`;
const UPDATE = `
UPDATE calculations SET manufacturer = ?3, part_number = ?4, material = ?5, units = ?6, d = ?7, big_d = ?8,
  n = ?9, k = ?10, version = version + 1, updated_at = MAX(updated_at, ?11), digest = ?12,
  seq = (SELECT MAX(seq) + 1 FROM calculations WHERE owner = ?1)
WHERE owner = ?1 AND id = ?2 AND deleted = 0
`;
const REMOVE = `
UPDATE calculations SET deleted = 1, version = version + 1, updated_at = MAX(updated_at, ?3), digest = ?4,
  seq = (SELECT MAX(seq) + 1 FROM calculations WHERE owner = ?1)
WHERE owner = ?1 AND id = ?2 AND deleted = 0
`;

/** `POST /api/calculations/preview`: the rate k, nothing stored. */
export async function preview(call) {
  const spring = parseSpring(call.json());
  return json({ k: rate(spring), units: spring.units });
}

/**
 * `POST /api/calculations`: 201 with the calculation.
 *
 * The client may choose the `id`; sending the same one again answers 200 with what is
 * stored, so that a request repeated after a lost answer does no harm.
 */
export async function create(call) {
  const body = call.json();
  const spring = parseSpring(body);
  const id = "id" in body ? parseId(body.id) : crypto.randomUUID();
  const database = await connect(call.env);
  const terms = { updatedAt: records.now(), deleted: false, when: records.ONLY_A_TOMBSTONE };
  const [sql, params] = await records.upsert(call.owner, id, spring, terms);
  const created = await database.write(sql, ...params);
  return json(records.toJson(await stored(database, call.owner, id)), created ? 201 : 200);
}

/** `GET /api/calculations/:id`. */
export async function show(call) {
  const database = await connect(call.env);
  return json(records.toJson(await stored(database, call.owner, call.params.id)));
}

/**
 * `PUT /api/calculations/:id`: replace the calculation.
 *
 * With `version` in the body the write happens only if that is still the stored version
 * (409 otherwise); without it, the last write wins.
 */
export async function update(call) {
  const body = call.json();
  const [spring, expected] = [parseSpring(body), versionOf(body)];
  const database = await connect(call.env);
  const { id } = call.params;
  const terms = { updatedAt: records.now(), deleted: false };
  const params = (await records.columnsOf(call.owner, id, spring, terms)).slice(0, 12);
  const guarded = expected !== null;
  const changed = guarded
    ? await database.write(`${UPDATE} AND version = ?13`, ...params, expected)
    : await database.write(UPDATE, ...params);
  const row = await stored(database, call.owner, id);
  if (!changed) throw stale(row, expected);
  return json(records.toJson(row));
}

/** `DELETE /api/calculations/:id`: 204; a tombstone stays for the sync. */
export async function remove(call) {
  const database = await connect(call.env);
  const { id } = call.params;
  const digest = await digestOf(records.springOf(await stored(database, call.owner, id)), true);
  if (!(await database.write(REMOVE, call.owner, id, records.now(), digest))) throw notFound(id);
  return nothing();
}

async function stored(database, owner, id) {
  const row = await database.row(SELECT, owner, id);
  if (!row || row.deleted) throw notFound(id);
  return row;
}

function versionOf(body) {
  const version = body.version ?? null;
  if (version !== null && !Number.isSafeInteger(version)) {
    throw invalid("version", "must be the whole number you read, or be left out");
  }
  return version;
}

function stale(row, expected) {
  const message = `calculation ${row.id} is at version ${row.version}, not ${expected}; read it again`;
  return new HttpError(409, "stale-version", message);
}

function notFound(id) {
  return new HttpError(404, "not-found", `there is no calculation ${id.slice(0, 64)}`);
}
