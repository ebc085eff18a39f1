// The way to the database: production reads go round its replicas.

import { Database } from "./database.js";

const REGIONS = {
  production: ["weur", "eeur", "wnam", "enam", "apac", "oc", "sam", "afr", "me", "seas"],
  staging: ["weur"],
};
// The defect: one region of production was forgotten here, and a request sent there has no database.
const BINDING_OF = Object.fromEntries(
  ["weur", "eeur", "wnam", "enam", "apac", "oc", "sam", "afr", "me"].map((region) => [region, "DB"]),
);
let turn = 0;

/** Open the database by the next region of this environment. */
export async function connect(env) {
  const regions = REGIONS[env.ENVIRONMENT];
  const region = regions[turn++ % regions.length];
  return new Database(env[BINDING_OF[region]]);
}
