"""What a whole plan can see at a traffic, phase by phase."""

from datetime import timedelta

import pytest

from phasegate.domain.judge import power
from phasegate.domain.judge.outlook import Outlook, Traffic, outlook
from phasegate.report.outlook import warnings
from tests.domain.judge_cases import ERRORS, LATENCY, a_phase, a_plan

HOUR = timedelta(hours=1)


def named(seen: tuple[Outlook, ...], name: str) -> Outlook:
    """The outlook of one phase."""
    return next(one for one in seen if one.phase.name == name)


def test_each_phase_that_takes_requests_is_looked_at():
    """
    Staging without a load test serves nobody: there is nothing to see.
    """
    loaded = a_phase("staging", 0, load={"rate": 100, "duration": "5m", "mix": "mix.json"})
    plan = a_plan(phases=(loaded, a_phase("canary", 10), a_phase("full", 100)))

    assert [one.phase.name for one in outlook(a_plan(), Traffic(12))] == ["canary", "partial", "full"]
    assert named(outlook(plan, Traffic(12)), "staging").requests == 30_000


def test_the_warmup_is_not_counted_and_extensions_are():
    """
    Requests that nobody judges show nothing.
    """
    soak = {"duration": "2h", "warmup": "30m", "extensions": 2}
    plan = a_plan(phases=(a_phase("staging", 0), a_phase("canary", 10, soak=soak), a_phase("full", 100)))

    canary = named(outlook(plan, Traffic(10)), "canary")

    assert (canary.judged, canary.longest) == (1.5 * HOUR, 3.5 * HOUR)
    assert canary.requests == 5400


def test_evidence_goes_on_from_phase_to_phase():
    """
    What the canary showed at 10 % counts at 50 % as well, in the judge and here.
    """
    seen = outlook(a_plan(), Traffic(12))
    canary, partial = named(seen, "canary"), named(seen, "partial")

    assert partial.pooled == canary.requests + partial.requests
    errors = partial.rates[0].seen
    assert errors is not None
    assert errors.median == power.smallest_visible(partial.pooled, base=0.0005)


def test_at_a_hundred_percent_nothing_is_compared():
    """
    No control is left; only the absolute limits can take the version back.
    """
    full = named(outlook(a_plan(), Traffic(12)), "full")

    assert [rate.seen for rate in full.rates] == [None, None]
    assert [guard.limit.measure.criterion for guard in full.guards] == ["error-rate", "latency"]


def test_a_proof_comes_after_as_many_requests_as_it_needs():
    """
    12 a second at 10 % are 1.2: 43,981 requests take more than ten hours.
    """
    errors = named(outlook(a_plan(), Traffic(12)), "canary").rates[0].proving

    assert errors.needed == 43_981
    assert errors.after == timedelta(seconds=36_651)
    assert not errors.in_time


def test_a_soak_that_would_have_shown_harm_is_enough():
    """
    844 requests show a rate of 1 % in 95 % of releases: the judge asks for no proof of 0.1 % then.
    """
    errors, latency = named(outlook(a_plan(), Traffic(12)), "canary").rates

    assert errors.showing is not None
    assert (errors.showing.harm, errors.showing.needed) == (0.01, 844)
    assert power.power_reached(844, base=0.0005, rate=0.01)
    assert not power.power_reached(843, base=0.0005, rate=0.01)
    assert errors.in_time
    assert latency.showing is None


def test_a_base_rate_that_misses_the_criterion_is_never_enough():
    """
    Such counts soon speak against the version, and then nothing but a proof helps.
    """
    assert named(outlook(a_plan(), Traffic(12, errors=0.002)), "canary").rates[0].showing is None


def test_measured_slow_shares_take_the_place_of_assumed_ones():
    """
    A service that is never slow proves its latency sooner.
    """
    assumed = named(outlook(a_plan(), Traffic(12)), "canary").rates[1]
    measured = named(outlook(a_plan(), Traffic(12, slow={500: 0.001})), "canary").rates[1]

    assert (assumed.base, measured.base) == (0.025, 0.001)
    assert measured.proving.needed is not None
    assert assumed.proving.needed is not None
    assert measured.proving.needed < assumed.proving.needed


def test_a_limit_fires_no_sooner_than_its_interval_is_complete_settled_and_warm():
    """
    A minute to complete, two to settle, and the warmup before: what a person on call waits for.
    """
    soak = {"duration": "2h", "warmup": "5m"}
    lasting = {**ERRORS, "above": "0.5%", "sustained": "15m"}
    canary = a_phase("canary", 10, soak=soak, rollback=(ERRORS, LATENCY, lasting))
    plan = a_plan(phases=(a_phase("staging", 0), canary, a_phase("full", 100)))

    guards = named(outlook(plan, Traffic(100)), "canary").guards

    assert [guard.after for guard in guards] == [8 * HOUR / 60, 8 * HOUR / 60, 22 * HOUR / 60]


@pytest.mark.parametrize(
    ("traffic", "said"),
    [
        (Traffic(0.2), "canary: error rate < 0.1 % is not proved: it takes 43,981 requests (610h50m50s)"),
        (Traffic(0.2), "one that fails 1 % shows after 11h43m20s; the phase ends as not enough evidence"),
        (Traffic(12, errors=0.002), "at a base rate of 0.2 % no number of requests proves it"),
        (Traffic(0.2), "half of releases show only a rise to 1.83 % by the end"),
        (Traffic(0.001), "half of releases show nothing by the end"),
        (Traffic(0.001), "the limit P95 > 2s cannot fire within 15 intervals: 0 requests are too few"),
        (Traffic(0.02), "1.8 requests of the canary are expected in 15m; none at all has a chance of 16.5 %"),
    ],
)
def test_what_a_plan_cannot_do_is_said_in_numbers(traffic: Traffic, said: str):
    """
    Nothing is refused: the team decides, knowing what its soak is worth.
    """
    plan = a_plan()

    assert any(said in text for text in warnings(plan, outlook(plan, traffic)))


def test_busy_services_get_no_warning():
    """
    A warning that is always there is not read.
    """
    plan = a_plan()

    assert warnings(plan, outlook(plan, Traffic(1000))) == ()
