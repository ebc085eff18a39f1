"""What a slowdown of a known distribution looks like, bucket by bucket."""

from dataclasses import replace
from itertools import pairwise, product
from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasegate.domain.judge import slowdown, tilt, trial
from phasegate.domain.judge.course import Course, Leg
from phasegate.domain.judge.ladder import Ladder, orderly
from phasegate.domain.judge.latency import Rules, begin, compared, shares_of

CUTS = (50, 80, 125, 200, 320)
KNOWN = Ladder((6200, 3160, 1110, 220, 30), 10_000)
COUNTS = st.integers(0, 10**9)


@given(st.lists(COUNTS, min_size=5, max_size=5), COUNTS)
def test_slower_answers_never_score_less(slow, total):
    """
    Else a canary that is faster than its control could be taken for a slow one.
    """
    found = slowdown.scores(orderly(slow, total), CUTS, 1.1)

    assert all(one <= other for scores in found for one, other in pairwise(scores))
    assert all(abs(score) <= 3 for scores in found for score in scores)


@pytest.mark.parametrize("number", range(4))
def test_the_tilt_by_scores_is_fair_when_places_are_chance(number):
    """
    Over all ways to deal six answers to the arms the likelihood ratio has mean 1 at most.
    """
    scores = slowdown.scores(KNOWN, CUTS, 1.1)[number]
    answers = (0, 0, 1, 2, 4, 5)

    ratios = [
        exp(_tilted(scores, [answers[one], answers[two]], answers))
        for one, two in product(range(6), repeat=2)
        if one < two
    ]

    assert sum(ratios) / len(ratios) <= 1 + 1e-12


@pytest.mark.parametrize(("times", "shows"), [(1.0, False), (1.5 * 1.1, True), (2.0 * 1.1, True)])
def test_a_slowdown_is_seen_and_its_absence_is_none(times, shows):
    """
    Both are told from the same counts: half as slow again, twice as slow, and as fast as ever.
    """
    slower = slowdown.slowed(KNOWN, CUTS, times=times)
    canary = Ladder(tuple(round(tail * 1000) for tail in slower), 1000)
    control = Ladder(tuple(round(0.9 * count) for count in KNOWN.slow), 9000)
    scores = slowdown.scores(KNOWN, CUTS, 1.1)

    found = tilt.log_ratios((), canary, control, shift=(1.0,) * 5, scores=scores)

    assert (max(found) > 50) is shows


@pytest.mark.parametrize("races", [0, 1, 9])
@pytest.mark.parametrize("slowdowns", [0, 4])
def test_the_components_share_what_is_staked(races, slowdowns):
    """
    More than all of it would be more evidence than there is.
    """
    assert sum(shares_of(races, slowdowns=slowdowns)) == pytest.approx(1)


def test_what_was_begun_without_slowdowns_goes_on_without_them():
    """
    A release that runs while phasegate is updated keeps the components it has.
    """
    rules = Rules(CUTS, (320,), 1.1, Course((Leg(0.1, 120),), 1.0))
    known = compared(begin(rules, KNOWN), KNOWN, KNOWN, rules=rules)
    older = replace(known, stakes=known.stakes[:4] + known.stakes[8:])
    before = trial._latency(trial._latency_state(older)[:5])

    after = compared(before, KNOWN, KNOWN, rules=rules)

    assert len(after.stakes) == 4 + len(after.races)


def _tilted(scores, mine, answers):
    canary, control = _ladder(mine), _ladder(list(answers))
    rest = Ladder(
        tuple(one - other for one, other in zip(control.slow, canary.slow, strict=True)),
        control.total - canary.total,
    )
    return tilt.log_ratios((), canary, rest, shift=(1.0,) * 5, scores=(scores,))[0]


def _ladder(answers):
    return Ladder(tuple(sum(answer > cut for answer in answers) for cut in range(5)), len(answers))
