// `GET /api/calculations`: the list, a page at a time, of one manufacturer if asked.

import { connect } from "./connections.js";
import * as records from "./records.js";
import { invalid, MAX_TEXT, printable } from "./spring.js";
import { json } from "./web.js";

const DEFAULT_LIMIT = 20;
const MAX_LIMIT = 100;
const ALL = "FROM calculations WHERE owner = ?1 AND deleted = 0";
const OF_ONE = `${ALL} AND manufacturer = ?2`;

/**
 * The page `?limit=&offset=&manufacturer=`, newest first: `{items, total, limit, offset}`.
 *
 * Count and page travel in one batch: one round trip, and both see the same rows.
 */
export async function listing(call) {
  const limit = pageNumber(call.query.get("limit"), "limit", DEFAULT_LIMIT, { lowest: 1, highest: MAX_LIMIT });
  const offset = pageNumber(call.query.get("offset"), "offset", 0, { lowest: 0, highest: 1_000_000 });
  const maker = manufacturer(call.query);
  const [rows, params] = maker ? [OF_ONE, [call.owner, maker]] : [ALL, [call.owner]];
  const order = `ORDER BY updated_at DESC, id LIMIT ${limit} OFFSET ${offset}`;
  const database = await connect(call.env);
  const [counted, page] = await database.batch(
    [`SELECT COUNT(*) AS total ${rows}`, params],
    [`SELECT ${records.COLUMNS} ${rows} ${order}`, params],
  );
  return json({ items: page.rows.map(records.toJson), total: counted.rows[0].total, limit, offset });
}

/** A whole number of the query; 400 when it is out of range. */
export function pageNumber(sent, name, otherwise, { lowest, highest }) {
  const text = sent ?? String(otherwise);
  const number = Number(text);
  if (!/^[0-9]{1,9}$/.test(text) || number < lowest || number > highest) {
    throw invalid(name, `must be a whole number from ${lowest} to ${highest}, not '${text.slice(0, 20)}'`);
  }
  return number;
}

function manufacturer(query) {
  const name = (query.get("manufacturer") ?? "").trim();
  if ([...name].length > MAX_TEXT || !printable(name)) {
    throw invalid("manufacturer", `must have at most ${MAX_TEXT} printable characters`);
  }
  return name;
}
