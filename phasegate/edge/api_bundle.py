"""
Uploaded bundles: ``multipart/form-data`` with a ``metadata`` part and one part per module.

A module's name is the name of its part, whether or not the part also has a file name.
"""

import json
import re
from email.message import Message
from typing import Any, NamedTuple

from phasegate.edge.envelope import ApiError
from phasegate.edge.model import Module

MOST_BYTES = 64 * 1024 * 1024
PYTHON = "text/x-python"
JAVASCRIPT = frozenset({"application/javascript+module", "text/javascript"})


class Part(NamedTuple):
    """One part of a multipart body."""

    name: str
    content_type: str
    data: bytes


def invalid(message: str) -> ApiError:
    """An upload that cannot be accepted as it is."""
    return ApiError(400, 10021, message)


def read_bundle(content_type: str, body: bytes) -> tuple[dict[str, Any], tuple[Module, ...]]:
    """The metadata and the modules of an upload, checked as far as possible without running them."""
    if len(body) > MOST_BYTES:
        raise ApiError(413, 10027, f"Your Worker exceeds the size limit of {MOST_BYTES} bytes")
    parts = read_parts(content_type, body)
    metadata = _metadata(parts)
    modules = tuple(
        Module(part.name, part.content_type, part.data) for part in parts if part.name != "metadata"
    )
    _check_main(metadata, modules)
    return metadata, modules


def read_parts(content_type: str, body: bytes) -> list[Part]:
    """The parts of a multipart body (RFC 7578), in order."""
    header = Message()
    header["content-type"] = content_type
    boundary = header.get_param("boundary")
    if header.get_content_type() != "multipart/form-data" or not isinstance(boundary, str):
        raise ApiError(415, 10001, "Content-Type must be multipart/form-data with a boundary")
    # With a line break in front, every delimiter looks the same.
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary.encode("latin-1"))
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise invalid(
            "The multipart body does not end with its boundary: it was cut short or the boundary is wrong"
        )
    return [_part(piece) for piece in pieces[1:-1]]


def _part(piece: bytes) -> Part:
    head, gap, data = piece.partition(b"\r\n\r\n")
    message = Message()
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, colon, value = line.partition(":")
        if colon:
            message[name.strip()] = value.strip()
    disposition = re.search(r'[;\s]name="((?:[^"\\]|\\.)*)"', message.get("content-disposition", ""))
    if not gap or disposition is None:
        raise invalid("A part of the multipart body has no Content-Disposition with a name")
    part_name = disposition.group(1).replace("%22", '"').replace('\\"', '"')
    return Part(
        part_name, message.get("content-type", "application/octet-stream").split(";")[0].strip(), data
    )


def _metadata(parts: list[Part]) -> dict[str, Any]:
    found = [part.data for part in parts if part.name == "metadata"]
    if len(found) != 1:
        raise invalid(f"The upload has {len(found)} parts named metadata; there must be one")
    try:
        metadata = json.loads(found[0])
    except ValueError as error:
        raise invalid(f"The metadata part is not JSON: {error}") from None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("bindings", []), list):
        raise invalid("The metadata part must be an object, and its bindings a list")
    for binding in metadata.get("bindings", []):
        if not isinstance(binding, dict) or not {"name", "type"} <= set(binding):
            raise invalid("Each binding must be an object with a name and a type")
    return metadata


def _check_main(metadata: dict[str, Any], modules: tuple[Module, ...]) -> None:
    names = [module.name for module in modules]
    main = metadata.get("main_module")
    if main not in names:
        raise invalid(f"main_module {main!r} is not among the uploaded modules: {', '.join(names) or 'none'}")
    if len(set(names)) != len(names):
        raise invalid("Two modules have the same name")
    kind = modules[names.index(main)].content_type
    if kind not in JAVASCRIPT | {PYTHON}:
        allowed = f"{PYTHON}, {', '.join(sorted(JAVASCRIPT))}"
        raise invalid(f"{main}: a main module of type {kind} cannot run here; allowed: {allowed}")
