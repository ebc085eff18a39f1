"""The small pictures of a gate's form."""

import base64
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta

import pytest

from phasegate.domain.observation import Counts, Minute
from phasegate.report.plot_evidence import interval
from phasegate.report.plots import MOST_BUCKETS, data_uri, evidence_svg, merge

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SVG = "{http://www.w3.org/2000/svg}"


def a_minute(place: int, *, canary: tuple[int, int] = (0, 50), stable: tuple[int, int] = (0, 450)) -> Minute:
    counts = tuple(
        Counts(version=version, endpoint="/", total=total, errors=failed)
        for version, (failed, total) in (("c", canary), ("s", stable))
        if total
    )
    return Minute(start=START + place * MINUTE, length=MINUTE, counts=counts)


def draw(
    minutes: tuple[Minute, ...], *, limit: float | None = 0.01, title: str = "canary at 10 %"
) -> ET.Element:
    return ET.fromstring(evidence_svg(minutes, stable="s", canary="c", limit=limit, title=title))


def words(picture: ET.Element) -> str:
    return " ".join("".join(text.itertext()) for text in picture.iter(f"{SVG}text"))


def test_an_interval_without_requests_is_a_gap():
    """
    No requests are not no errors: a line through the gap would claim so.
    """
    minutes = tuple(a_minute(place) for place in (0, 1, 2, 5, 6, 7))

    lines = list(draw(minutes).iter(f"{SVG}polyline"))

    assert len(lines) == 4
    assert {len(line.get("points", "").split()) for line in lines} == {3}


def test_the_rollback_line_is_drawn_at_its_limit():
    """
    Whoever decides sees how far the canary is from being taken back.
    """
    minutes = (a_minute(0, canary=(1, 100)), a_minute(1, canary=(1, 100)))

    picture = draw(minutes, limit=0.01)

    dashed = next(line for line in picture.iter(f"{SVG}line") if line.get("stroke-dasharray"))
    canary = list(picture.iter(f"{SVG}polyline"))[-1]
    assert "rollback above 1 %" in words(picture)
    assert {point.split(",")[1] for point in canary.get("points", "").split()} == {dashed.get("y1")}


def test_no_limit_draws_no_line():
    """
    A phase may be taken back for other reasons only.
    """
    assert "rollback" not in words(draw((a_minute(0),), limit=None))


def test_nothing_seen_says_so():
    """
    An empty picture looks like a healthy one.
    """
    assert "no requests were seen" in words(draw(()))
    assert "no requests were seen" in words(draw((a_minute(0, canary=(0, 0), stable=(0, 0)),)))


def test_a_single_failing_interval_can_be_seen():
    """
    A line of one point has no length.
    """
    picture = draw((a_minute(0, canary=(5, 50)),))

    assert len(list(picture.iter(f"{SVG}circle"))) == 2


def test_a_day_is_put_together_without_losing_a_request():
    """
    Rates of long buckets come from added counts: averaged rates would hide a bad minute with much traffic.
    """
    minutes = tuple(a_minute(place, canary=(place % 3, 50)) for place in range(1440))

    buckets = merge(minutes, stable="s", canary="c")

    assert len(buckets) <= MOST_BUCKETS
    assert sum(bucket.canary[1] for bucket in buckets) == 1440 * 50
    assert sum(bucket.canary[0] for bucket in buckets) == sum(place % 3 for place in range(1440))
    assert all(bucket.length == 15 * MINUTE for bucket in buckets)


@pytest.mark.parametrize("rate", [0.0, 0.0004, 0.07, 1.0])
def test_every_point_stays_inside_the_picture(rate):
    """
    A version that fails everything is where the picture matters most.
    """
    minutes = tuple(a_minute(place, canary=(round(50_000 * rate), 50_000)) for place in range(5))

    for line in draw(minutes).iter(f"{SVG}polyline"):
        heights = [float(point.split(",")[1]) for point in line.get("points", "").split()]
        assert all(40 <= height <= 145 for height in heights)


def test_a_title_cannot_break_out_of_the_picture():
    """
    Names come from people, and the picture is embedded in a page.
    """
    picture = draw((a_minute(0),), title='</text><script>alert("x")</script>')

    assert not list(picture.iter(f"{SVG}script"))


def test_the_address_embeds_the_picture():
    """
    A form renders a data address, not a raw picture.
    """
    svg = evidence_svg((a_minute(0),), stable="s", canary="c", limit=0.01, title="t")

    kind, _, data = data_uri(svg).partition(",")

    assert kind == "data:image/svg+xml;base64"
    assert base64.b64decode(data).decode() == svg


def test_the_evidence_is_drawn_against_its_rollback_line():
    """
    Whoever decides sees how it grew and how far it still is from the line.
    """
    minutes = tuple(a_minute(place) for place in range(6))
    path = tuple((START + (place + 1) * MINUTE, 0.4 * place) for place in range(6))

    picture = ET.fromstring(
        evidence_svg(minutes, stable="s", canary="c", limit=None, title="x", path=path, decided=100)
    )

    line = next(rule for rule in picture.iter(f"{SVG}line") if rule.get("stroke-dasharray"))
    points = [
        point.split(",") for point in list(picture.iter(f"{SVG}polyline"))[-1].get("points", "").split()
    ]
    heights = [float(y) for _, y in points]
    assert "rollback at 100" in words(picture)
    assert len(heights) == 6
    assert heights == sorted(heights, reverse=True)
    assert heights[-2] > float(line.get("y1", 0)) == pytest.approx(heights[-1])


def test_without_a_comparison_there_is_no_room_for_its_evidence():
    """
    At 100 % and in staging the picture is as small as it was.
    """
    minutes = (a_minute(0), a_minute(1))

    assert draw(minutes).get("height") == "240"


@pytest.mark.parametrize(
    ("bad", "total", "low", "high"), [(0, 10, 0.0, 0.278), (10, 10, 0.722, 1.0), (5, 100, 0.0215, 0.112)]
)
def test_whiskers_are_wilson_intervals(bad, total, low, high):
    """
    No failure in ten requests does not mean that none fails (Wilson 1927, 95 %).
    """
    assert interval(bad, total) == pytest.approx((low, high), abs=1e-3)
