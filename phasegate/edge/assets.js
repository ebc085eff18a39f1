// The static assets of one version: the ASSETS binding of its code, and what the front serves itself.

export default {
  async fetch(request, env) {
    const asset = assetOf(request, env.ASSETS) ?? fallback(request, env.ASSETS);
    return asset ? serveAsset(request, asset, env) : new Response("Not Found", { status: 404 });
  },
};

export function assetOf(request, { manifest }) {
  if (request.method !== "GET" && request.method !== "HEAD") return null;
  const path = decoded(new URL(request.url).pathname);
  const folder = path.endsWith("/") ? path : `${path}/`;
  for (const name of [path, `${path}.html`, `${folder}index.html`]) {
    if (Object.hasOwn(manifest, name)) return { hash: manifest[name], status: 200 };
  }
  return null;
}

function fallback(request, { manifest, config }) {
  if (request.method !== "GET" && request.method !== "HEAD") return null;
  const wanted = { "single-page-application": ["/index.html", 200], "404-page": ["/404.html", 404] };
  const [name, status] = wanted[config.not_found_handling] ?? [];
  return name && Object.hasOwn(manifest, name) ? { hash: manifest[name], status } : null;
}

export async function serveAsset(request, { hash, status }, env) {
  const etag = `"${hash}"`;
  if (status === 200 && request.headers.get("if-none-match") === etag) {
    return new Response(null, { status: 304, headers: { etag } });
  }
  const stored = await env.FILES.fetch(`http://files/assets/${hash}`);
  const headers = {
    "content-type": stored.headers.get("content-type") ?? "application/octet-stream",
    "cache-control": "public, max-age=0, must-revalidate",
    etag,
  };
  return new Response(request.method === "HEAD" ? null : stored.body, { status, headers });
}

function decoded(path) {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
