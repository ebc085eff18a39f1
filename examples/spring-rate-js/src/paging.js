// `GET /api/calculations`: the list, a page at a time.

import { connect } from "./connections.js";
import * as records from "./records.js";
import { invalid } from "./spring.js";
import { json } from "./web.js";

const DEFAULT_LIMIT = 20;
const MAX_LIMIT = 100;
const COUNT = "SELECT COUNT(*) AS total FROM calculations WHERE owner = ?1 AND deleted = 0";
const PAGE = `
SELECT ${records.COLUMNS} FROM calculations WHERE owner = ?1 AND deleted = 0
ORDER BY updated_at DESC, id LIMIT ?2 OFFSET ?3
`;

/** The page `?limit=&offset=`, newest first: `{items, total, limit, offset}`. */
export async function listing(call) {
  const limit = pageNumber(call.query.get("limit"), "limit", DEFAULT_LIMIT, { lowest: 1, highest: MAX_LIMIT });
  const offset = pageNumber(call.query.get("offset"), "offset", 0, { lowest: 0, highest: 1_000_000 });
  const database = await connect(call.env);
  const counted = await database.row(COUNT, call.owner);
  const rows = await database.rows(PAGE, call.owner, limit, offset);
  return json({ items: rows.map(records.toJson), total: counted?.total ?? 0, limit, offset });
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
