"""One spring calculation: what a client may send, and the rate that follows from it."""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

import materials
from web import HttpError

UNITS = ("mm", "in")
ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
MAX_TEXT = 80
DIMENSIONS = ("d", "D", "n")


@dataclass(frozen=True, slots=True)
class Spring:
    """Wire diameter d, mean coil diameter D, active coils n; lengths in ``units``."""

    manufacturer: str
    part_number: str
    material: str
    units: str
    d: float
    D: float
    n: float

    @property
    def k(self) -> float:
        """Spring rate G d^4 / (8 D^3 n), in N/mm or lbf/in."""
        modulus = materials.shear_modulus(self.material, self.units)
        return round(modulus * self.d**4 / (8 * self.D**3 * self.n), 6)

    def digest(self, *, deleted: bool) -> str:
        """A stable name of the content: equal content, equal digest, on every device."""
        content = [self.manufacturer, self.part_number, self.material, self.units, self.d, self.D, self.n]
        return hashlib.sha256(json.dumps([*content, deleted]).encode()).hexdigest()[:32]


def parse_spring(body: dict[str, Any]) -> Spring:
    """Read a spring from a request body; 400 names the field and what is allowed."""
    d, big_d, n = (_positive(body, name) for name in DIMENSIONS)
    if big_d <= d:
        raise invalid("D", f"must be larger than the wire diameter d ({d:g}), not {big_d:g}")
    return Spring(
        manufacturer=_text(body, "manufacturer"),
        part_number=_text(body, "partNumber"),
        material=_one_of(body, "material", tuple(materials.MEGAPASCALS), materials.DEFAULT),
        units=_one_of(body, "units", UNITS, None),
        d=d,
        D=big_d,
        n=n,
    )


def parse_id(value: Any) -> str:
    """An id chosen by a client, so that it can work offline."""
    if not isinstance(value, str) or not ID.fullmatch(value):
        raise invalid("id", "must be 8 to 64 letters, digits, - or _")
    return value


def invalid(field: str, rule: str) -> HttpError:
    """The 400 for one field."""
    return HttpError(400, "invalid-field", f"{field} {rule}")


def _positive(body: dict[str, Any], name: str) -> float:
    value = body.get(name)
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 1e-6 <= value <= 1e6:
        raise invalid(name, f"must be a number from 0.000001 to 1000000, not {json.dumps(value)[:40]}")
    return float(value)


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value.isprintable() or not 1 <= len(value.strip()) <= MAX_TEXT:
        raise invalid(name, f"must be a text of 1 to {MAX_TEXT} printable characters")
    return value.strip()


def _one_of(body: dict[str, Any], name: str, allowed: tuple[str, ...], default: str | None) -> str:
    value = body.get(name, default)
    if value not in allowed:
        raise invalid(name, f"must be one of {', '.join(allowed)}, not {json.dumps(value)[:40]}")
    return str(value)
