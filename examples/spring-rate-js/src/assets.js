// The application's static files, carried inside the bundle.

import { sha256 } from "./digests.js";

const PAGE = `<!doctype html>
<html lang="en">
<title>Spring rate calculator</title>
<h1>Spring rate calculator</h1>
<p>k = G d&#8308; / (8 D&#179; n)</p>
<script>
if ("serviceWorker" in navigator) navigator.serviceWorker.register("/sw.js");
</script>
</html>
`;

const SERVICE_WORKER = `const SHELL = "shell-1";
self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(SHELL).then((cache) => cache.add("/")));
});
self.addEventListener("fetch", (event) => {
  if (event.request.mode !== "navigate") return;
  event.respondWith(fetch(event.request).catch(() => caches.match("/")));
});
`;

const FILES = {
  "/": [PAGE, "text/html; charset=utf-8"],
  "/sw.js": [SERVICE_WORKER, "text/javascript"],
};

// Written by hand when a file changes: a damaged or half-built bundle must not call itself healthy.
const MANIFEST = {
  "/": "e97bd7841d706a3c",
  "/sw.js": "44dc413e1c655d96",
};

let proven;

/** Whether every file of the manifest is in the bundle, unchanged. */
export async function intact() {
  proven ??= await prove();
  return proven;
}

async function prove() {
  const paths = Object.keys(MANIFEST);
  const digests = await Promise.all(paths.map((path) => sha256(FILES[path][0])));
  return paths.every((path, place) => digests[place].startsWith(MANIFEST[path]));
}

export async function page(call) {
  const [body, type] = FILES[call.path];
  return new Response(body, { headers: { "content-type": type } });
}
