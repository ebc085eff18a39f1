"""The application's static files, carried inside the bundle."""

import hashlib

from web import Request, Response

PAGE = """<!doctype html>
<html lang="en">
<title>Spring rate calculator</title>
<h1>Spring rate calculator</h1>
<p>k = G d&#8308; / (8 D&#179; n)</p>
<script>
if ("serviceWorker" in navigator) navigator.serviceWorker.register("/sw.js");
</script>
</html>
"""

SERVICE_WORKER = """const SHELL = "shell-1";
self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(SHELL).then((cache) => cache.add("/")));
});
self.addEventListener("fetch", (event) => {
  if (event.request.mode !== "navigate") return;
  event.respondWith(fetch(event.request).catch(() => caches.match("/")));
});
"""

FILES = {
    "/": (PAGE.encode(), "text/html; charset=utf-8"),
    "/sw.js": (SERVICE_WORKER.encode(), "text/javascript"),
}

# Written by hand when a file changes: a damaged or half-built bundle must not call itself healthy.
MANIFEST = {
    "/": "e97bd7841d706a3c",
    "/sw.js": "44dc413e1c655d96",
}

_INTACT = FILES.keys() == MANIFEST.keys() and all(
    hashlib.sha256(FILES[path][0]).hexdigest()[:16] == digest for path, digest in MANIFEST.items()
)


def intact() -> bool:
    """Whether every file of the manifest is in the bundle, unchanged."""
    return _INTACT


async def page(request: Request) -> Response:
    """Serve a static file."""
    body, content_type = FILES[request.path]
    return Response(200, body, content_type)
