"""
The plan's JSON schema: what editors check, what error messages and the reference quote.

It is generated from the model, so there is one description of every field.
"""

import json
from functools import cache
from typing import Any

from phasegate.domain.plan import RolloutPlan

Schema = dict[str, Any]

# Under `extends` these merge field by field, so what they require may come from the parent.
_MERGED = (
    "Communication",
    "Gate",
    "HealthContract",
    "Load",
    "Phase",
    "Recovery",
    "Soak",
    "Telemetry",
    "Upkeep",
    "Validation",
)
_NULL = {"type": "null"}
_EXTENDS = {
    "type": "string",
    "description": "A plan by name, or a file relative to this one, whose values this plan starts from.",
}


@cache
def model_schema() -> Schema:
    """The schema of a whole plan, as pydantic writes it; not to be changed by the caller."""
    return RolloutPlan.model_json_schema(mode="validation")


def file_schema() -> Schema:
    """
    The schema of a plan *file*: it may extend another and leave out what that one gives.

    JSON Schema draft 2020-12. A whole plan is still checked by ``phasegate plan check``:
    no schema says that weights rise.
    """
    schema: Schema = json.loads(json.dumps(model_schema()))
    for name in _MERGED:
        definition = schema["$defs"][name]
        _nullable(definition, required=definition.pop("required", []))
    schema["$defs"]["Phase"]["required"] = ["name"]
    required = [name for name in schema.pop("required") if name != "name"]
    _nullable(schema, required=[*required, "name"])
    schema["properties"]["extends"] = _EXTENDS
    least = schema["properties"]["phases"].pop("minItems")
    alone = {"required": required, "properties": {"phases": {"minItems": least}}}
    whole = {"if": {"required": ["extends"]}, "else": alone}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, **whole}


def schema_text() -> str:
    """The file schema as it is checked in: indented JSON that ends with a newline."""
    return json.dumps(file_schema(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _nullable(definition: Schema, *, required: list[str]) -> None:
    for name, field in definition["properties"].items():
        options = field.get("anyOf", [])
        if name in required or _NULL in options:
            continue
        described = {key: field.pop(key) for key in ("description", "title", "default") if key in field}
        definition["properties"][name] = {"anyOf": [field, _NULL], **described}


def resolve(schema: Schema) -> Schema:
    """Follow references, and look through ``X or null`` to X."""
    while True:
        options = [option for option in schema.get("anyOf", []) if option != _NULL]
        if "$ref" in schema:
            schema = model_schema()["$defs"][schema["$ref"].rsplit("/", 1)[-1]]
        elif len(options) == 1:
            schema = options[0]
        else:
            return schema


def step(schema: Schema, part: str | int) -> Schema | None:
    """The schema one *part* of a location further in; None when *part* leads nowhere."""
    schema = resolve(schema)
    tags = schema.get("discriminator", {}).get("mapping", {})
    if isinstance(part, int):
        return schema.get("items")
    if part in tags:
        return resolve({"$ref": tags[part]})
    if part == "[key]":
        return schema.get("propertyNames")
    found: Schema | None = schema.get("properties", {}).get(part)
    if found is None and isinstance(schema.get("additionalProperties"), dict):
        return dict(schema["additionalProperties"])
    return found


def allowed(schema: Schema) -> str:
    """What *schema* allows, in a few words: ``a number from 0 to 100``, ``hold, accept``."""
    given = resolve(schema)
    if "enum" in given or "const" in given:
        return ", ".join(map(str, given.get("enum", [given.get("const")])))
    if given.get("type") == "array":
        return f"a list{_size(given)} of {allowed(given['items'])}"
    if "anyOf" in given:
        options = [option for option in given["anyOf"] if option != _NULL]
        return " or ".join(allowed(option) for option in options) + _range(given)
    return _mapping(given) or _scalar(given | {key: schema[key] for key in schema if key != "anyOf"})


def _mapping(schema: Schema) -> str:
    if "discriminator" in schema:
        tag = schema["discriminator"]
        return f"a mapping with {tag['propertyName']}: {', '.join(tag['mapping'])}"
    if "properties" in schema:
        return f"a mapping of {', '.join(schema['properties'])}"
    return "a mapping" if schema.get("type") == "object" else ""


def _size(schema: Schema) -> str:
    return f" (at least {schema['minItems']})" if "minItems" in schema else ""


def _scalar(schema: Schema) -> str:
    if "examples" in schema:
        return f"a duration such as {' or '.join(schema['examples'])}"
    if schema.get("pattern", "").endswith("%$"):
        return "a percentage such as 0.1%"
    if schema.get("type") in ("number", "integer"):
        return f"{_NUMBERS[schema['type']]}{_range(schema)}"
    if schema.get("type") == "boolean":
        return "true or false"
    length = f" of at least {schema['minLength']} characters" if "minLength" in schema else ""
    return f"text{length}" + (f" like {schema['pattern']}" if "pattern" in schema else "")


_NUMBERS = {"number": "a number", "integer": "a whole number"}
_BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
    "exclusiveMaximum": "less than",
}


def _range(schema: Schema) -> str:
    if "minimum" in schema and "maximum" in schema:
        return f" from {schema['minimum']:g} to {schema['maximum']:g}"
    bounds = [f"{words} {schema[key]:g}" for key, words in _BOUNDS.items() if key in schema]
    return f" {' and '.join(bounds)}" if bounds else ""
