// In front of one version: serves its static assets, and tells the splitter a throw from an answer.
import { assetOf, serveAsset } from "./assets.js";

// What a Worker may expect of `request.cf`; an edge on one machine has one place.
const CF = { colo: "LOC", country: "XX", asn: 0, httpProtocol: "HTTP/1.1", tlsVersion: "" };
const THROWN = { status: 500, headers: { "x-edge-outcome": "exception" } };

export default {
  async fetch(request, env) {
    if (env.ASSETS && !workerFirst(request, env.ASSETS)) {
      const asset = assetOf(request, env.ASSETS);
      if (asset) return serveAsset(request, asset, env);
    }
    try {
      return await env.VERSION.fetch(request, { cf: CF });
    } catch (error) {
      console.error(error?.stack ?? String(error));
      return new Response("Internal Server Error", THROWN);
    }
  },
};

function workerFirst(request, assets) {
  const rule = assets.config.run_worker_first ?? false;
  if (!Array.isArray(rule)) return rule;
  const { pathname } = new URL(request.url);
  const matches = (pattern) => globOf(pattern).test(pathname);
  const excluded = rule.filter((each) => each.startsWith("!")).map((each) => each.slice(1));
  return rule.some((each) => !each.startsWith("!") && matches(each)) && !excluded.some(matches);
}

function globOf(pattern) {
  const parts = pattern.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`);
}
