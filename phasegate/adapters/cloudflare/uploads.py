"""The multipart body of an upload, and the mark by which an upload is found again."""

import json
from typing import Any

from phasegate.adapters.cloudflare.client import Parts
from phasegate.adapters.cloudflare.secrecy import hide
from phasegate.adapters.cloudflare.wire import MESSAGE
from phasegate.domain.bundle import Bundle
from phasegate.domain.plan import Environment

MESSAGE_BYTES = 1000
# As wrangler does: without it an upload would drop the secrets that were set on the Worker.
_KEPT = ("secret_text", "secret_key")


def mark(bundle: Bundle, release: str) -> str:
    """What the ``workers/message`` annotation of this upload begins with."""
    return f"phasegate {release} {bundle.digest}"


def carries(message: str, mark: str) -> bool:
    """Whether *message* was written by the upload with this *mark*."""
    return message == mark or message.startswith(f"{mark}: ")


def cut(message: str) -> str:
    """*message* within Cloudflare's 1000 bytes, no character torn."""
    return message.encode()[:MESSAGE_BYTES].decode(errors="ignore")


def upload_parts(bundle: Bundle, *, environment: Environment, mark: str, assets: str = "") -> Parts:
    """
    The parts of ``POST …/versions`` and ``PUT …/scripts/<name>``.

    ``metadata`` comes first and has no file name; each module is a part named as it
    is imported. The bundle's own tag stays, its message follows the mark. *assets* is
    the completion token of the files that were brought over before.
    """
    metadata = _marked(bundle.metadata[environment], mark)
    if assets:
        metadata["assets"] = {**(metadata.get("assets") or {}), "jwt": assets}
    head = ("metadata", (None, json.dumps(metadata).encode(), "application/json"))
    return [head, *((m.name, (m.name, m.data, m.content_type)) for m in bundle.modules)]


def _marked(metadata: dict[str, Any], mark: str) -> dict[str, Any]:
    annotations = dict(metadata.get("annotations") or {})
    own = annotations.get(MESSAGE)
    annotations[MESSAGE] = cut(f"{mark}: {own}" if own else mark)
    return {"keep_bindings": _KEPT, **metadata, "annotations": annotations}


def without_secrets(text: str, bundle: Bundle, *, environment: Environment) -> str:
    """*text* without the values of the bundle's secret bindings."""
    bindings = bundle.metadata[environment].get("bindings") or ()
    return hide(text, (str(b.get("text") or "") for b in bindings if b.get("type") == "secret_text"))
