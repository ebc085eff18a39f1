// The Worker: the route table and the handler of requests.

import * as assets from "./assets.js";
import * as calculations from "./calculations.js";
import * as health from "./health.js";
import * as materials from "./materials.js";
import * as paging from "./paging.js";
import { Router } from "./routing.js";
import * as sessions from "./sessions.js";
import * as summary from "./summary.js";
import * as sync from "./sync.js";
import * as telemetry from "./telemetry.js";
import { Call, HttpError, named } from "./web.js";

const PUBLIC = true;
const router = new Router([
  ["GET", "/health", health.check, PUBLIC],
  ["GET", "/", assets.page, PUBLIC],
  ["GET", "/sw.js", assets.page, PUBLIC],
  ["GET", "/api/materials", materials.listing, PUBLIC],
  ["POST", "/api/sessions", sessions.create, PUBLIC],
  ["POST", "/api/sessions/refresh", sessions.refresh, PUBLIC],
  ["DELETE", "/api/sessions", sessions.revoke],
  ["GET", "/api/calculations", paging.listing],
  ["POST", "/api/calculations", calculations.create],
  ["POST", "/api/calculations/preview", calculations.preview, PUBLIC],
  ["GET", "/api/calculations/summary", summary.show],
  ["GET", "/api/calculations/:id", calculations.show],
  ["PUT", "/api/calculations/:id", calculations.update],
  ["DELETE", "/api/calculations/:id", calculations.remove],
  ["GET", "/api/sync", sync.pull],
  ["POST", "/api/sync", sync.exchange],
]);

export default {
  async fetch(request, env) {
    return named(await answer(request, env), env);
  },
};

async function answer(request, env) {
  try {
    const call = await Call.read(request, env);
    const response = await dispatch(call);
    telemetry.observe(call, response);
    return response;
  } catch (error) {
    if (error instanceof HttpError) return error.response();
    log(request, error);
    return new HttpError(500, "internal", "the service failed to answer; it has been logged").response();
  }
}

async function dispatch(call) {
  try {
    const route = router.match(call);
    if (!route.open) call.owner = await sessions.ownerOf(call);
    return await route.handler(call);
  } catch (error) {
    if (error instanceof HttpError) return error.response();
    throw error;
  }
}

function log(request, error) {
  const { pathname: path } = new URL(request.url);
  const [, where] = (error.stack ?? "").split("\n");
  console.error(JSON.stringify({ level: "error", method: request.method, path, error: String(error), where }));
}
