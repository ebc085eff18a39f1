"""
Write what is generated from the plan's model: the JSON schema and the reference in plans.md.

Run it after changing the model: ``python docs/plan_reference.py``.
"""

from pathlib import Path

from phasegate.adapters.plan_reference import reference
from phasegate.adapters.plan_schema import schema_text

ROOT = Path(__file__).parent.parent
SCHEMA = ROOT / "deployments" / "plans" / "schema.json"
GUIDE = ROOT / "docs" / "plans.md"
BEGIN = "<!-- reference: written by docs/plan_reference.py -->\n"
END = "<!-- end of reference -->\n"


def with_reference(guide: str) -> str:
    """The text of *guide* with a fresh reference between its two marks."""
    before, _, rest = guide.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{reference()}\n{END}{after}"


def main() -> None:
    """Bring both files up to date."""
    SCHEMA.write_text(schema_text(), encoding="utf-8")
    GUIDE.write_text(with_reference(GUIDE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
