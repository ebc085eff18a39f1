// `GET /api/calculations/summary`: how many springs by manufacturer, and their range of rates.

import { connect } from "./connections.js";
import { json } from "./web.js";

const SUMMARY = `
SELECT manufacturer, COUNT(*) AS count, MIN(k) AS lowest, MAX(k) AS highest
FROM calculations WHERE owner = ?1 AND deleted = 0
GROUP BY manufacturer ORDER BY count DESC, manufacturer LIMIT 50
`;

/** `{items: [{manufacturer, count, lowest, highest}]}`, the most frequent first. */
export async function show(call) {
  const database = await connect(call.env);
  return json({ items: await database.rows(SUMMARY, call.owner) });
}
