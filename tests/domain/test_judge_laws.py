"""What holds for whatever is counted."""

from math import isfinite

from hypothesis import given, settings
from hypothesis import strategies as st
from judge_cases import CANARY, STABLE, a_judge, a_minute, a_plan, after, fired, reasons

from phasegate.domain.observation import Counts
from phasegate.domain.verdict import Finding

BIG = st.integers(0, 10**9)
ENDPOINTS = ("/a", "/b", "/c")
PLAN = a_plan()


def counts_of(version, limit):
    return st.builds(
        lambda endpoint, total, errors, slow: Counts(
            version=version,
            endpoint=endpoint,
            total=total,
            errors=min(errors, total),
            slow=tuple((cut, min(slow, total)) for cut in (500, 1000, 2000)),
        ),
        st.sampled_from(ENDPOINTS),
        st.integers(0, limit),
        st.integers(0, limit // 20),
        st.integers(0, limit // 5),
    )


def minutes_of(limit):
    both = st.one_of(counts_of(CANARY, limit), counts_of(STABLE, limit))
    return st.lists(st.lists(both, max_size=4).map(tuple), min_size=1, max_size=8)


def verdict_on(minutes, *, at=range(100)):
    judge = a_judge(PLAN)
    for number, counts in zip(at, minutes, strict=False):
        judge.add(a_minute(number, *counts))
    return judge.verdict(after(20))


def essence(verdict):
    """Everything but the names of endpoints, which are told and decide nothing."""
    told = [(r.criterion, r.rule, r.finding, r.bad, r.total, r.value) for r in verdict.reasons]
    return verdict.finding, verdict.violated, verdict.silent, [alert.key for alert in verdict.alerts], told


@settings(max_examples=60, deadline=None)
@given(minutes_of(3000))
def test_the_order_of_endpoints_does_not_matter(minutes):
    """
    A source may list its rows in any order.
    """
    assert verdict_on([counts[::-1] for counts in minutes]) == verdict_on(minutes)


@settings(max_examples=60, deadline=None)
@given(minutes_of(3000))
def test_counts_in_two_rows_are_the_counts_in_one(minutes):
    """
    A source may split what one version answered on one endpoint over several rows.
    """
    apart = [tuple(part for count in counts for part in split(count)) for counts in minutes]

    assert essence(verdict_on(apart)) == essence(verdict_on(minutes))


def split(count):
    half = [number // 2 for number in (count.total, count.errors)]
    slow = tuple((cut, number // 2) for cut, number in count.slow)
    rest = tuple((cut, number - number // 2) for cut, number in count.slow)
    # Keep every part possible: nobody can fail more requests than were made.
    total = max(half[0], half[1], *(number for _, number in slow))
    return (
        Counts(version=count.version, endpoint=count.endpoint, total=total, errors=half[1], slow=slow),
        Counts(
            version=count.version,
            endpoint=count.endpoint,
            total=count.total - total,
            errors=count.errors - half[1],
            slow=rest,
        ),
    )


@settings(max_examples=60, deadline=None)
@given(minutes_of(3000), st.integers(0, 8), st.integers(1, 5))
def test_empty_minutes_change_no_rate_rule(minutes, where, how_many):
    """
    A minute in which the canary served nobody neither starts nor ends a breach.
    """
    empty = [()] * how_many
    rates = ("error-rate", "latency")

    plain = verdict_on(minutes)
    thinned = verdict_on([*minutes[:where], *empty, *minutes[where:]])

    for rate in rates:
        assert [(r.finding, r.bad, r.total) for r in reasons(plain, rate)] == [
            (r.finding, r.bad, r.total) for r in reasons(thinned, rate)
        ]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(BIG, BIG, BIG, BIG, BIG), min_size=1, max_size=4))
def test_no_count_breaks_the_arithmetic(rows):
    """
    From nothing to a billion, and also counts that contradict each other: an answer, never NaN.
    """
    minutes = [
        (
            Counts(version=CANARY, endpoint="/", total=n, errors=x, slow=((500, s), (1000, s), (2000, s))),
            Counts(version=STABLE, endpoint="/", total=m, errors=y),
        )
        for n, x, s, m, y in rows
    ]

    verdict = verdict_on(minutes)

    texts = [reason.text + reason.value + reason.baseline for reason in verdict.reasons]
    assert not any("nan" in text or "inf " in text for text in texts)
    assert all(isfinite(reason.total or 0) for reason in verdict.reasons)


@settings(max_examples=60, deadline=None)
@given(minutes_of(3000), st.integers(0, 7), st.integers(1, 3000))
def test_more_errors_never_make_a_harmful_canary_healthy(minutes, which, more):
    """
    A worse version is never judged better.
    """
    rank = {Finding.HEALTHY: 0, Finding.INCONCLUSIVE: 1, Finding.HARMFUL: 2}
    at = which % len(minutes)
    worse = [
        counts if i != at else tuple(spoiled(c, more) for c in counts) for i, counts in enumerate(minutes)
    ]

    before, after_more = verdict_on(minutes), verdict_on(worse)

    assert rank[after_more.finding] >= rank[before.finding]
    assert len(fired(after_more)) >= len(fired(before))


def spoiled(count, more):
    if count.version != CANARY:
        return count
    return count.model_copy(update={"errors": min(count.total, count.errors + more)})
