"""
The multipart body of a Worker upload, as a file.

``wrangler versions upload --dry-run --outfile`` writes one without HTTP headers: its
first line is the boundary, the part ``metadata`` is JSON, every other part is a
module named as it is imported.
"""

import re
from urllib.parse import unquote

from phasegate.domain.bundle import Module
from phasegate.domain.errors import BundleError

_NAME = re.compile(r';\s*name="([^"]*)"', re.IGNORECASE)
_ESCAPED = re.compile(r"%22|%0D|%0A", re.IGNORECASE)


def parse_multipart(body: bytes, *, place: str) -> tuple[bytes, tuple[Module, ...]]:
    """
    Split *body* into the text of its metadata and its modules, in their order.

    Raises BundleError naming *place* and the part that is wrong.
    """
    metadata: bytes | None = None
    modules: dict[str, Module] = {}
    for name, content_type, data in _parts(body, place=place):
        if name in modules or (name == "metadata" and metadata is not None):
            raise BundleError(f"{place}: the part {name!r} is there twice; each module is allowed once")
        if name == "metadata":
            metadata = data
        else:
            modules[name] = Module(name=name, content_type=content_type, data=data)
    if metadata is None:
        raise BundleError(f"{place}: the part 'metadata' is missing")
    return metadata, tuple(modules.values())


def _parts(body: bytes, *, place: str) -> list[tuple[str, str, bytes]]:
    boundary, _, rest = body.partition(b"\r\n")
    if not boundary.startswith(b"--") or not 2 < len(boundary) <= 72:
        raise BundleError(
            f"{place}: is no multipart body: the first line must be its boundary, as "
            "`wrangler versions upload --dry-run --outfile` writes it"
        )
    *parts, end = (b"\r\n" + rest).split(b"\r\n" + boundary)
    if not end.startswith(b"--") or not parts:
        raise BundleError(f"{place}: the multipart body is cut off: its closing boundary is missing")
    return [_part(part.removeprefix(b"\r\n"), place=place) for part in parts]


def _part(part: bytes, *, place: str) -> tuple[str, str, bytes]:
    head, found, data = part.partition(b"\r\n\r\n")
    headers = dict(_header(line) for line in head.decode("utf-8", "replace").split("\r\n"))
    name = _NAME.search(headers.get("content-disposition", ""))
    if not found or name is None or not name[1]:
        raise BundleError(f"{place}: a part has no name; each needs Content-Disposition: form-data; name=…")
    content_type = headers.get("content-type", "application/octet-stream")
    return _ESCAPED.sub(lambda each: unquote(each[0]), name[1]), content_type, data


def _header(line: str) -> tuple[str, str]:
    key, _, value = line.partition(":")
    return key.strip().lower(), value.strip()
