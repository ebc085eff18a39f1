// What this instance has served since it started, with a trace of a few requests.

export const API = "/api/";
const TRACE_EVERY = { production: 200 };
let answers = 0;
let api = 0;

/** Count one answer and trace one API request in so many; staging traces none. */
export function observe(call, response) {
  answers += 1;
  if (!call.path.startsWith(API)) return;
  api += 1;
  if (api % (TRACE_EVERY[call.env.ENVIRONMENT] ?? Number.POSITIVE_INFINITY) === 0) trace(call, response);
}

function trace(call, response) {
  // The defect: a BigInt has no JSON, so the trace fails, and the request that was well answered with it.
  const bytes = BigInt(call.body.byteLength);
  console.log(JSON.stringify({ path: call.path, status: response.status, bytes }));
}

/** How many requests this instance has answered. */
export function served() {
  return answers;
}
