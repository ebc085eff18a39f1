"""``METHOD path`` with identifiers folded, so that one endpoint is one line of counts."""

import re

OTHER = "(other)"
_IDENTIFIERS = (
    re.compile(r"\d+"),
    re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE),
    re.compile(r"(?=.*\d)[0-9a-f]{16,}", re.IGNORECASE),
    re.compile(r"[0-9A-HJKMNP-TV-Z]{26}"),
    re.compile(r"(?=.*\d)[0-9A-Za-z_-]{20,}"),
)


def endpoint(method: str, path: str) -> str:
    """
    Fold *path* to the route behind it: ``GET /api/calculations/17`` -> ``GET /api/calculations/:id``.

    A segment is an identifier when it is a whole number, a UUID, 16 or more
    hexadecimal digits, a ULID, or 20 or more letters and digits with at least one
    digit. Everything from ``?`` on is left out.
    """
    segments = path.split("?", 1)[0].split("/")
    return f"{method} {'/'.join(':id' if _is_identifier(part) else part for part in segments)}"


def _is_identifier(segment: str) -> bool:
    return any(pattern.fullmatch(segment) for pattern in _IDENTIFIERS)
