"""
What ``workerd serve`` is told about one version: a Cap'n Proto text with its modules embedded.

Four services: ``front`` (ours) takes the requests and asks ``version`` (the uploaded modules), whose
``ASSETS`` is ``assets`` (ours); ``inside`` is the edge itself, which keeps the databases and files.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phasegate.edge.model import VersionRecord

# Cloudflare ends an isolate that holds more than this; here V8 ends the process.
HEAP_MEBIBYTES = 128
KINDS = ("assets", "d1", "json", "plain_text", "secret_text", "version_metadata")
MODULE_KINDS = {
    "application/javascript+module": "esModule",
    "application/javascript": "commonJsModule",
    "text/javascript": "esModule",
    "application/wasm": "wasm",
    "application/json": "json",
    "application/octet-stream": "data",
    "text/html": "text",
    "text/plain": "text",
}
UNUSED = frozenset({"application/source-map"})
D1_HEADER = "x-edge-d1"
_OURS = Path(__file__).parent
_SINCE = "2026-02-15"


@dataclass(frozen=True)
class Sockets:
    """Unix sockets: where the version listens, and where the edge itself does."""

    front: Path
    inside: Path


def configuration(version: VersionRecord, *, main_module: str, sockets: Sockets) -> str:
    """The text of ``config.capnp`` for *version*, whose modules lie in ``modules/`` beside it."""
    metadata = version.metadata
    bindings = tuple(_binding(binding, version) for binding in version.bindings)
    # A Worker that names no date gets the oldest behaviour, as on Cloudflare.
    date = str(metadata.get("compatibility_date") or "2021-11-02")
    flags = ", ".join(quoted(str(flag)) for flag in metadata.get("compatibility_flags") or ())
    services = (
        '(name = "front", worker = .front)',
        '(name = "version", worker = .version)',
        '(name = "assets", worker = .assets)',
        f'(name = "inside", external = (address = {_unix(sockets.inside)}, http = ()))',
        *(_database(database, sockets.inside) for database in sorted(_databases(version))),
    )
    return f"""using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  v8Flags = ["--max-old-space-size={HEAP_MEBIBYTES}"],
  services = [{_lines(services)}],
  sockets = [(name = "http", address = {_unix(sockets.front)}, http = (), service = "front")]
);
const version :Workerd.Worker = (
  modules = [{_lines(_modules(version, main_module))}],
  compatibilityDate = {quoted(date)}, compatibilityFlags = [{flags}],
  bindings = [{_lines(bindings)}]
);
const front :Workerd.Worker = ({_own("front.js", "assets.js")}
  bindings = [(name = "VERSION", service = "version"){_assets(version)}]
);
const assets :Workerd.Worker = ({_own("assets.js")}
  bindings = [(name = "NOTHING", text = ""){_assets(version)}]
);
"""


def _own(*names: str) -> str:
    sources = {name: quoted((_OURS / name).read_text()) for name in names}
    modules = ", ".join(f"(name = {quoted(name)}, esModule = {source})" for name, source in sources.items())
    return f"\n  modules = [{modules}],\n  compatibilityDate = {quoted(_SINCE)},"


def _modules(version: VersionRecord, main_module: str) -> Iterable[str]:
    # The first module is the main one.
    for module in sorted(version.modules, key=lambda module: module.name != main_module):
        kind = module.content_type.partition(";")[0].strip()
        if kind not in UNUSED:
            place = quoted(f"modules/{module.name}")
            yield f"(name = {quoted(module.name)}, {MODULE_KINDS[kind]} = embed {place})"


def _binding(binding: Mapping[str, Any], version: VersionRecord) -> str:
    name = quoted(binding["name"])
    match binding["type"]:
        case "plain_text" | "secret_text":
            return f"(name = {name}, text = {quoted(str(binding['text']))})"
        case "json":
            return f"(name = {name}, json = {quoted(json.dumps(binding['json']))})"
        case "version_metadata":
            return f"(name = {name}, json = {quoted(json.dumps(version.shown))})"
        case "assets":
            return f'(name = {name}, service = "assets")'
        case _:
            inner = f'(name = "fetcher", service = {quoted(_service(database_id(binding)))})'
            wrapped = f'(moduleName = "cloudflare-internal:d1-api", innerBindings = [{inner}])'
            return f"(name = {name}, wrapped = {wrapped})"


def database_id(binding: Mapping[str, Any]) -> str:
    """The database of a ``d1`` binding; newer clients call it ``database_id``."""
    return str(binding.get("id") or binding["database_id"])


def _databases(version: VersionRecord) -> set[str]:
    return {database_id(binding) for binding in version.bindings if binding["type"] == "d1"}


def _service(database: str) -> str:
    return f"d1:{database}"


def _database(database: str, inside: Path) -> str:
    header = f"(name = {quoted(D1_HEADER)}, value = {quoted(database)})"
    http = f"(injectRequestHeaders = [{header}])"
    return f"(name = {quoted(_service(database))}, external = (address = {_unix(inside)}, http = {http}))"


def _assets(version: VersionRecord) -> str:
    assets = version.metadata.get("assets")
    if not assets:
        return ""
    return f', (name = "ASSETS", json = {quoted(json.dumps(assets))}), (name = "FILES", service = "inside")'


def _unix(socket: Path) -> str:
    return quoted(f"unix:{socket}")


def _lines(items: Iterable[str]) -> str:
    return "".join(f"\n    {item}," for item in items).removesuffix(",")


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def quoted(text: str) -> str:
    """*text* as a Cap'n Proto string literal."""
    escaped = (_ESCAPES.get(c) or (c if c >= " " and c != "\x7f" else f"\\x{ord(c):02x}") for c in text)
    return f'"{"".join(escaped)}"'
