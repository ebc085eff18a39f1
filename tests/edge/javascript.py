"""Bundles in JavaScript, as a client uploads them."""

import json

WORKER = b"""
import { word } from "./words.js";
const started = Date.now();

export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (pathname === "/throw") throw new Error("a bug");
    if (pathname === "/bad") return new Response("bad", { status: 500 });
    if (pathname === "/env") {
      const { TEXT, SECRET, JSON: json, ME } = env;
      const client = request.headers.get("cf-connecting-ip");
      return Response.json({ TEXT, SECRET, json, ME, word, client,
        colo: request.cf.colo, names: Object.keys(env) });
    }
    if (pathname === "/asset") return env.ASSETS.fetch(request.url.replace("/asset", "/elsewhere"));
    return new Response(env.VERSION);
  },
};
"""
WORDS = b'export const word = "imported";'
MODULE = "application/javascript+module"


def js_bundle(tag="v1", *, source=WORKER, bindings=(), modules=(), **metadata):
    """The multipart parts of an upload; *modules* are further ``(name, data, content type)``."""
    own = [{"name": "VERSION", "type": "plain_text", "text": tag}, *bindings]
    described = {
        "main_module": "index.js",
        "compatibility_date": "2026-02-15",
        "bindings": own,
        "annotations": {"workers/tag": tag},
        **metadata,
    }
    files = (("index.js", source, MODULE), ("words.js", WORDS, MODULE), *modules)
    return {"metadata": (None, json.dumps(described).encode(), "application/json")} | {
        name: (name, data, kind) for name, data, kind in files
    }
