// Which handler answers which method and path.

import { HttpError } from "./web.js";

/** Finds the route of a call; a fixed path goes before one with a parameter. */
export class Router {
  #fixed = new Map();
  #open = new Map();

  constructor(routes) {
    for (const [method, path, handler, open = false] of routes) this.#add(method, path, { handler, open });
  }

  #add(method, path, route) {
    const slash = path.lastIndexOf("/");
    const [parent, last] = [path.slice(0, slash), path.slice(slash + 1)];
    const parameter = last.startsWith(":");
    const [known, key] = parameter ? [this.#open, parent] : [this.#fixed, path];
    if (!known.has(key)) known.set(key, { name: parameter ? last.slice(1) : "", methods: new Map() });
    known.get(key).methods.set(method, route);
  }

  /** The route, with its parameter set on the call; 404 or 405 when there is none. */
  match(call) {
    const methods = this.#fixed.get(call.path)?.methods ?? this.#matchOpen(call);
    const route = methods.get(call.method);
    if (!route) {
      const allowed = [...methods.keys()].sort().join(", ");
      const message = `${call.method} is not allowed on ${call.path}; allowed: ${allowed}`;
      throw new HttpError(405, "method-not-allowed", message, { Allow: allowed });
    }
    return route;
  }

  #matchOpen(call) {
    const slash = call.path.lastIndexOf("/");
    const value = call.path.slice(slash + 1);
    const found = this.#open.get(call.path.slice(0, slash));
    if (!found || !value) throw new HttpError(404, "not-found", `there is nothing at ${call.path}`);
    call.params[found.name] = value;
    return found.methods;
  }
}
