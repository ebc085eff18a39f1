"""Lines and words of a picture that is written by hand."""

from html import escape

WIDTH, LEFT, RIGHT = 640, 52, 628
# Distinguishable for every kind of colour vision, and by dash and shape without any.
CANARY, STABLE, LIMIT, INK, FAINT = "#c2410c", "#0369a1", "#b91c1c", "#1f2937", "#d1d5db"


def words(
    x: float,
    y: float,
    told: str,
    *,
    anchor: str = "start",
    size: int = 12,
    fill: str = INK,
    weight: str = "",
) -> str:
    """Text at a point."""
    bold = f' font-weight="{weight}"' if weight else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{fill}"{bold}>'
        f"{escape(told)}</text>"
    )


def rule(x1: float, y1: float, x2: float, y2: float, colour: str, *, dash: str = "", width: float = 1) -> str:
    """A straight line."""
    strong = f' stroke-width="{width:g}"' if width != 1 else ""
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"{strong}{dashes}/>'
    )


def percent(rate: float) -> str:
    """A rate with three digits."""
    return f"{rate * 100:.3g} %"


def short(told: str, most: int) -> str:
    """Text that fits."""
    return told if len(told) <= most else told[: most - 1] + "…"
