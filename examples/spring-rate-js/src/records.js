// Calculations as rows: columns, JSON, the one statement that writes them.

import { digestOf, rate } from "./spring.js";

export const COLUMNS =
  "id, manufacturer, part_number, material, units, d, big_d, n, k, version, updated_at, deleted, seq, digest";

// The condition is inside the statement, so two devices that write at once cannot both win.
const UPSERT = `
INSERT INTO calculations (owner, id, manufacturer, part_number, material, units, d, big_d, n, k,
                          version, updated_at, digest, deleted, seq)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 1, ?11, ?12, ?13,
        (SELECT COALESCE(MAX(seq), 0) + 1 FROM calculations WHERE owner = ?1))
ON CONFLICT (owner, id) DO UPDATE SET
  manufacturer = excluded.manufacturer, part_number = excluded.part_number, material = excluded.material,
  units = excluded.units, d = excluded.d, big_d = excluded.big_d, n = excluded.n, k = excluded.k,
  version = version + 1, updated_at = excluded.updated_at, digest = excluded.digest,
  deleted = excluded.deleted,
  seq = (SELECT COALESCE(MAX(seq), 0) + 1 FROM calculations WHERE owner = excluded.owner)
`;

export const LAST_WRITE_WINS =
  "WHERE (excluded.updated_at, excluded.digest) > (calculations.updated_at, calculations.digest)";
export const ONLY_A_TOMBSTONE = "WHERE calculations.deleted = 1";

/** Write a calculation; over an existing one only where the condition `when` holds: `[sql, params]`. */
export async function upsert(owner, id, spring, { updatedAt, deleted, when }) {
  return [UPSERT + when, await columnsOf(owner, id, spring, { updatedAt, deleted })];
}

/** The thirteen parameters of a calculation, owner and id first. */
export async function columnsOf(owner, id, spring, { updatedAt, deleted }) {
  const { manufacturer, partNumber, material, units, d, D, n } = spring;
  const digest = await digestOf(spring, deleted);
  const content = [manufacturer, partNumber, material, units, d, D, n, rate(spring)];
  return [owner, id, ...content, updatedAt, digest, deleted ? 1 : 0];
}

/** A row as clients see it. */
export function toJson(row) {
  return {
    id: row.id,
    manufacturer: row.manufacturer,
    partNumber: row.part_number,
    material: row.material,
    units: row.units,
    d: row.d,
    D: row.big_d,
    n: row.n,
    k: row.k,
    version: row.version,
    updatedAt: row.updated_at,
    deleted: Boolean(row.deleted),
  };
}

/** The spring of a row. */
export function springOf(row) {
  const { manufacturer, part_number: partNumber, material, units, d, big_d: D, n } = row;
  return { manufacturer, partNumber, material, units, d, D, n };
}

/** The time as stored: UTC, milliseconds, fixed width, so that text order is time order. */
export function now() {
  return new Date().toISOString();
}
