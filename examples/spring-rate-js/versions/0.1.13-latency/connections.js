// The way to the database: a fixed number of leases, so that D1 is not asked too much at once.

import { Database } from "./database.js";

const LEASE_MILLISECONDS = 2400;
const LEASES = { production: 4 };
let turn = 0;

/** Open the database of this environment, when a lease is free. */
export async function connect(env) {
  // The defect: the last lease of a turn is never given back, so whoever gets it waits until it lapses.
  // Staging has no limit, so nobody saw it there.
  const size = LEASES[env.ENVIRONMENT];
  if (size) {
    turn = (turn + 1) % size;
    if (turn === 0) await new Promise((resolve) => setTimeout(resolve, LEASE_MILLISECONDS));
  }
  return new Database(env.DB);
}
