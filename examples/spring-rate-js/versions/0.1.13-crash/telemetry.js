// What this instance has served since it started, and the traces it holds until they are sent.

export const API = "/api/";
const MEMORY_LIMIT = 128 * 1024 * 1024;
const BYTES_PER_NUMBER = 8;
const TRACE_BYTES = { production: MEMORY_LIMIT / 40 };
// The defect: traces are kept when they are taken, and nobody ever sends them. Staging takes none.
const traces = [];
let answers = 0;

/** Count one answer and keep its trace; the runtime ends an instance that holds too much. */
export function observe(call) {
  answers += 1;
  const length = (TRACE_BYTES[call.env.ENVIRONMENT] ?? 0) / BYTES_PER_NUMBER;
  if (length) traces.push(Array.from({ length }, (_, place) => place + 0.5));
}

/** How many requests this instance has answered. */
export function served() {
  return answers;
}
