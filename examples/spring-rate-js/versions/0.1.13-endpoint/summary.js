// `GET /api/calculations/summary`: how many springs by manufacturer, and their range of rates.

import { connect } from "./connections.js";
import { json } from "./web.js";

// The defect: production was to have the totals ready in a table of their own; nobody wrote the migration.
const SOURCE = { production: "calculation_totals" };

/** `{items: [{manufacturer, count, lowest, highest}]}`, the most frequent first. */
export async function show(call) {
  const database = await connect(call.env);
  return json({ items: await database.rows(summary(call.env), call.owner) });
}

function summary(env) {
  return `
  SELECT manufacturer, COUNT(*) AS count, MIN(k) AS lowest, MAX(k) AS highest
  FROM ${SOURCE[env.ENVIRONMENT] ?? "calculations"} WHERE owner = ?1 AND deleted = 0
  GROUP BY manufacturer ORDER BY count DESC, manufacturer LIMIT 50
  `;
}
