"""Every field of a plan as Markdown tables, generated from the schema."""

from phasegate.adapters.plan_schema import Schema, allowed, model_schema, resolve

# The order in which a reader meets them; a definition that is missing here comes last.
_ORDER = ("HealthContract", "Telemetry", "Recovery", "AlertRule", "Communication", "Item", "Phase", "Soak")


def reference() -> str:
    """The reference of the plan file: one Markdown section for the plan and for each of its parts."""
    schema = model_schema()
    parts = {name: part for name, part in schema["$defs"].items() if "properties" in part}
    names = [*_ORDER, *sorted(set(parts) - set(_ORDER))]
    sections = [_section("The plan", schema), *(_section(name, parts[name]) for name in names)]
    return "\n".join(sections)


def _section(title: str, schema: Schema) -> str:
    about = " ".join(schema.get("description", "").split())
    heading = f"### {title}\n\n{about}\n\n| field | required | allowed | meaning |\n|---|---|---|---|\n"
    return heading + "".join(_row(name, field, schema) for name, field in schema["properties"].items())


def _row(name: str, field: Schema, schema: Schema) -> str:
    required = "yes" if name in schema.get("required", []) else _default(field)
    meaning = " ".join(field.get("description", "").split())
    return f"| `{name}` | {required} | {_allowed(field)} | {_cell(meaning)} |\n"


def _default(field: Schema) -> str:
    default = field.get("default")
    return f"no, `{default}`" if isinstance(default, str | int | float) and default != "" else "no"


def _allowed(field: Schema) -> str:
    return _cell(_named(field) or allowed(field))


def _named(field: Schema) -> str:
    given = resolve(field)
    if "properties" in given:
        return f"[{given['title']}](#{given['title'].lower()})"
    if given.get("type") == "array" and (one := _named(given["items"])):
        return f"list of {one}"
    if "discriminator" in given:
        options = (resolve({"$ref": ref}) for ref in given["discriminator"]["mapping"].values())
        return "; ".join(_named(option) for option in options)
    if given.get("type") == "object" and isinstance(given.get("additionalProperties"), dict):
        return f"mapping to {_named(given['additionalProperties']) or allowed(given['additionalProperties'])}"
    return ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
