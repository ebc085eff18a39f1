// The way to the database, taken once by each request that needs it.

import { Database } from "./database.js";

export async function connect(env) {
  return new Database(env.DB);
}
