"""From what the model refuses to lines that name file, line, field, value and what is allowed."""

from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from phasegate.adapters.plan_node import Leaf, Listing, Mapping, Node, Place
from phasegate.adapters.plan_schema import Schema, allowed, model_schema, resolve, step
from phasegate.domain.quantities import format_rate
from phasegate.domain.safety import Faults

Line = tuple[Place, str]
Location = tuple[str | int, ...]


def fault_lines(error: ValidationError, tree: Mapping) -> list[Line]:
    """Every fault of *error*, in no order, each where *tree* says it was written."""
    lines: list[Line] = []
    for detail in error.errors(include_url=False):
        cause = detail.get("ctx", {}).get("error")
        if isinstance(cause, Faults):
            lines += [_line(tree, fault.path, fault.says) for fault in cause.faults]
        elif not _follows_from_another(detail):
            lines.append(_detail(detail, tree))
    return lines


def _follows_from_another(detail: ErrorDetails) -> bool:
    # A faulty item does not count for pydantic: then a list that is long enough is "too short" as well.
    return detail["type"] == "too_short" and len(detail["input"]) >= detail.get("ctx", {}).get(
        "min_length", 0
    )


def _detail(detail: ErrorDetails, tree: Mapping) -> Line:
    location: Location = detail["loc"]
    kind = detail["type"]
    if kind == "missing":
        return _line(tree, location, f"required and not given; allowed: {allowed(_schema(location))}")
    if kind == "extra_forbidden":
        return _line(tree, location, _unknown_key(location))
    if kind == "value_error":
        return _line(tree, location, str(detail.get("ctx", {}).get("error", detail["msg"])))
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        return _tag(detail, tree)
    given = _written(tree, location, detail["input"])
    return _line(tree, location, f"{_shown(given)} is not allowed; {_allowed(detail, given)}")


def _tag(detail: ErrorDetails, tree: Mapping) -> Line:
    rule = _schema(detail["loc"])
    name = resolve(rule)["discriminator"]["propertyName"]
    tags = list(resolve(rule)["discriminator"]["mapping"])
    if detail["type"] == "union_tag_not_found":
        return _line(tree, (*detail["loc"], name), f"required and not given; allowed: {', '.join(tags)}")
    given = str(detail.get("ctx", {}).get("tag", ""))
    says = f"{given!r} is not allowed; {_guess(given, tags)}allowed: {', '.join(tags)}"
    return _line(tree, (*detail["loc"], name), says)


def _unknown_key(location: Location) -> str:
    known = list(resolve(_schema(location[:-1])).get("properties", {}))
    if len(location) == 1:
        known.append("extends")
    return f"unknown key; {_guess(str(location[-1]), known)}allowed: {', '.join(known)}"


def _guess(given: str, known: list[str]) -> str:
    close = get_close_matches(given, known, n=1)
    return f"did you mean {close[0]!r}? " if close else ""


def _allowed(detail: ErrorDetails, given: Any) -> str:
    schema = resolve(_schema(detail["loc"]))
    words = f"allowed: {allowed(schema)}"
    if isinstance(given, str) and "enum" in schema:
        return _guess(given, schema["enum"]) + words
    if words.startswith("allowed: text") and isinstance(given, int | float):
        return f"{words}; in quotes it is text"
    if "%" in words:
        return words + "".join(f", {_BOUNDS[key]} {format_rate(bound)}" for key, bound in _bounds(detail))
    return words


_BOUNDS = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}


def _bounds(detail: ErrorDetails) -> list[tuple[str, float]]:
    return [(key, bound) for key, bound in detail.get("ctx", {}).items() if key in _BOUNDS]


def _schema(location: Location) -> Schema:
    schema = model_schema()
    keys = location[-1:] == ("[key]",)
    for part in location[:-2] if keys else location:
        schema = step(schema, part) or schema
    return (step(schema, "[key]") or schema) if keys else schema


def _written(tree: Mapping, location: Location, given: Any) -> Any:
    node = _walk(tree, location)[2]
    return node.value if isinstance(node, Leaf) and location[-1] != "[key]" else given


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:56]}…{text[-1]}"


def _line(tree: Mapping, location: Location, says: str) -> Line:
    place, names, _ = _walk(tree, location)
    field = ".".join(names).replace(".[", "[")
    return place, f"{field}: {says}" if field else says


def _walk(tree: Mapping, location: Location) -> tuple[Place, list[str], Node]:
    node: Node = tree
    place, names = tree.place, []
    for count, part in enumerate(location, start=1):
        last = count == len(location)
        if isinstance(node, Mapping) and isinstance(part, str) and (part in node.entries or last):
            if part == "[key]":
                break
            names.append(part)
            place = node.keys.get(part, place)
            node = node.entries.get(part, node)
        elif isinstance(node, Listing) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
            place = node.place
            names.append(_called(node, part))
    return place, names, node


def _called(node: Node, index: int) -> str:
    for key in ("name", "key"):
        found = node.entries.get(key) if isinstance(node, Mapping) else None
        if isinstance(found, Leaf) and isinstance(found.value, str):
            return found.value
    return f"[{index}]"
