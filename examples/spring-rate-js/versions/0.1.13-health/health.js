// `GET /health`: is this version able to serve?

import * as assets from "./assets.js";
import { served } from "./telemetry.js";
import { json } from "./web.js";

// The defect: a budget for the life of the instance, meant to be one per minute. Staging has no budget.
const QUERY_BUDGET = { production: 120 };

/** 200 "healthy", or 503 "unhealthy" when a check fails: `{status, timestamp, version, checks}`. */
export async function check(call) {
  const checks = { assets: await assets.intact(), database: await databaseAnswers(call.env) };
  const healthy = Object.values(checks).every(Boolean);
  const body = {
    status: healthy ? "healthy" : "unhealthy",
    timestamp: new Date().toISOString().replace(/\.\d+Z/, "Z"),
    version: call.env.VERSION,
    checks,
  };
  return json(body, healthy ? 200 : 503);
}

async function databaseAnswers(env) {
  if (served() >= (QUERY_BUDGET[env.ENVIRONMENT] ?? Number.POSITIVE_INFINITY)) return false;
  try {
    await env.DB.prepare("SELECT 1 AS one FROM calculations LIMIT 1").all();
    return true;
  } catch (error) {
    console.error(JSON.stringify({ level: "error", check: "database", error: String(error) }));
    return false;
  }
}
