"""What a benchmark says: figures with their units, printed as one table."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One measured value: to which part it belongs, what it is, and in which unit."""

    part: str
    what: str
    value: float | str
    unit: str = ""

    @property
    def shown(self) -> str:
        """The value with as many digits as a shared machine can bear."""
        if isinstance(self.value, str):
            return self.value
        return f"{self.value:,.0f}" if abs(self.value) >= 100 else f"{self.value:.3g}"


def table(figures: Iterable[Figure]) -> str:
    """One line for each figure, the parts told apart by an empty line."""
    rows = tuple(figures)
    wide = max((len(row.what) for row in rows), default=0)
    lines: list[str] = []
    part = ""
    for row in rows:
        if row.part != part:
            lines += ["", row.part] if lines else [row.part]
            part = row.part
        lines.append(f"  {row.what:<{wide}}  {row.shown:>10}  {row.unit}".rstrip())
    return "\n".join(lines)
