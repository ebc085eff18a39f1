"""What a slowdown of a known distribution looks like, bucket by bucket."""

from itertools import combinations, pairwise
from math import exp, inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasegate.domain.judge import slowdown, starts, tilt, trial
from phasegate.domain.judge.course import Course, Leg
from phasegate.domain.judge.ladder import Ladder, orderly
from phasegate.domain.judge.latency import Latency, Rules, compared, shares_of, shares_raced

CUTS = (50, 80, 125, 200, 320)
KNOWN = Ladder((6200, 3160, 1110, 220, 30), 10_000)
COUNTS = st.integers(0, 10**9)


@given(st.lists(COUNTS, min_size=5, max_size=5), COUNTS)
def test_slower_answers_never_score_less(slow, total):
    """
    Else a canary that is faster than its control could be taken for a slow one.
    """
    known = orderly(slow, total)

    found, tails = slowdown.scores(known, CUTS, 1.1), slowdown.tails(known, CUTS, 1.1)

    assert all(one <= other for scores in (*found, *tails) for one, other in pairwise(scores))
    assert all(abs(score) <= 3 for scores in found for score in scores)
    assert all(0 <= score <= 10 for scores in tails for score in scores)


@pytest.mark.parametrize("mine", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("bound", ["bounded", "drawn", "rare"])
def test_the_tilt_by_scores_is_fair_when_places_are_chance(bound, number, mine):
    """
    Over all ways to deal seven answers to the arms the likelihood ratio has mean 1 at most.
    """
    made = slowdown.tails if bound == "rare" else slowdown.scores
    scores = made(KNOWN, CUTS, 1.1)[number]

    ratios = [exp(_tilted(bound, scores, dealt)) for dealt in _deals((0, 0, 1, 2, 4, 5, 5), mine)]

    assert sum(ratios) / len(ratios) <= 1 + 1e-12


@pytest.mark.parametrize("mine", [1, 2, 3])
def test_what_chance_gives_is_known_for_up_to_three_answers(mine):
    """
    A bound would give evidence away where an interval has hardly any.
    """
    scores = slowdown.scores(KNOWN, CUTS, 1.1)[2]

    ratios = [exp(_tilted("drawn", scores, dealt)) for dealt in _deals((0, 0, 1, 2, 4, 5, 5), mine)]

    assert sum(ratios) / len(ratios) == pytest.approx(1)


@given(
    st.lists(st.integers(0, 4), min_size=4, max_size=4), st.lists(st.integers(0, 9), min_size=4, max_size=4)
)
def test_what_chance_gives_is_never_more_than_the_mean_of_all(ours, theirs):
    """
    Drawn without being put back, high scores push each other out.
    """
    canary, control = (orderly(sorted(one[1:], reverse=True), sum(one)) for one in (ours, theirs))
    if not canary.total or not control.total:
        return
    dealt, scores = tilt.dealt(canary, control, shift=(1.0,) * 3), ((-2.0, 0.0, 0.5, 3.0),)

    assert tilt.drawn(scores, dealt)[0] >= tilt.bounded(scores, dealt)[0] - 1e-9


@pytest.mark.parametrize(("times", "shows"), [(1.0, False), (1.5 * 1.1, True), (2.0 * 1.1, True)])
def test_a_slowdown_is_seen_and_its_absence_is_none(times, shows):
    """
    Both are told from the same counts: half as slow again, twice as slow, and as fast as ever.
    """
    slower = slowdown.slowed(KNOWN, CUTS, times=times)
    canary = Ladder(tuple(round(tail * 1000) for tail in slower), 1000)
    control = Ladder(tuple(round(0.9 * count) for count in KNOWN.slow), 9000)
    scores = slowdown.scores(KNOWN, CUTS, 1.1)

    found = tilt.drawn(scores, tilt.dealt(canary, control, shift=(1.0,) * 5))

    assert (max(found) > 50) is shows


@pytest.mark.parametrize(("part", "shows"), [(0.0, False), (0.05, True), (0.2, True)])
def test_a_slow_part_of_the_answers_is_seen_and_its_absence_is_none(part, shows):
    """
    One answer in twenty that takes ten times as long shows in no median.
    """
    slower = slowdown.slowed(KNOWN, CUTS, times=10)
    tails = [(1 - part) * KNOWN.tail(at) + part * slow for at, slow in enumerate(slower)]
    canary = Ladder(tuple(round(tail * 1000) for tail in tails), 1000)
    control = Ladder(tuple(round(0.9 * count) for count in KNOWN.slow), 9000)

    found = _rare(slowdown.tails(KNOWN, CUTS, 1.1), tilt.dealt(canary, control, shift=(1.0,) * 5))

    assert (max(found) > 10) is shows


def test_what_one_answer_says_that_nobody_has_seen_before_does_not_decide():
    """
    On a canary of one percent it is hardly ever the control that has it.
    """
    usual = Ladder((*KNOWN.slow[:4], 0), KNOWN.total)
    canary, control = Ladder((1, 1, 1, 1, 1), 1), Ladder((62, 32, 11, 2, 0), 100)

    found = _rare(slowdown.tails(usual, CUTS, 1.1), tilt.dealt(canary, control, shift=(1.0,) * 5))

    assert max(found) <= 5.2


@pytest.mark.parametrize("slowdowns", [0, 4])
def test_the_components_share_what_is_staked(slowdowns):
    """
    More than all of it would be more evidence than there is.
    """
    assert sum(shares_of(slowdowns, slowdowns)) == pytest.approx(1)


@pytest.mark.parametrize("races", [0, 1, 9])
@pytest.mark.parametrize("slowdowns", [0, 4])
def test_so_do_those_of_what_was_begun_with_races(races, slowdowns):
    """
    A release goes on with what it has.
    """
    assert sum(shares_raced(races, slowdowns=slowdowns)) == pytest.approx(1)


RULES = Rules(CUTS, (320,), 1.1, Course((Leg(0.1, 120),), 1.0))
CANARY, CONTROL = Ladder((70, 40, 15, 6, 1), 100), Ladder((558, 284, 100, 20, 3), 900)


@pytest.mark.parametrize(
    ("parts", "stakes", "expected"),
    [
        (5, 4 + 3, [-3.0497, -5.2976, -15.3539, -54.3748, -3.233, -2.917, -3.0374]),
        (
            6,
            4 + 4 + 3,
            [
                -4.436,
                -6.6839,
                -16.7402,
                -55.7611,
                -8.5682,
                -41.7723,
                -66.3821,
                -102.1596,
                -3.6385,
                -3.3225,
                -3.4429,
            ],
        ),
        (6, 4 + 4, [-3.9252, -6.1731, -16.2294, -55.2503, -8.0574, -41.2615, -65.8713, -101.6488]),
    ],
)
def test_what_was_begun_before_there_were_tails_goes_on_as_it_was(parts, stakes, expected):
    """
    A release that runs while phasegate is updated keeps the components and the shares that it has.
    """
    races = ((2, 1.5), (3, 4.0), (4, 10.0)) if stakes % 4 else ()
    purse = starts.purse(120)
    older = Latency(KNOWN, races, (-inf,) * stakes, purse, running=True, begun=KNOWN)
    before = trial._latency(trial._latency_state(older)[:parts])

    after = compared(before, CANARY, CONTROL, rules=RULES)

    assert after.races == races
    assert list(after.stakes) == pytest.approx(expected, abs=1e-4)
    assert compared(trial._latency(trial._latency_state(after)), CANARY, CONTROL, rules=RULES) == compared(
        after, CANARY, CONTROL, rules=RULES
    )


def _deals(answers, mine):
    """Every interval in which *mine* of the answers are the canary's."""
    for ours in combinations(range(len(answers)), mine):
        canary = _ladder([answers[at] for at in ours])
        control = _ladder([one for at, one in enumerate(answers) if at not in ours])
        yield tilt.dealt(canary, control, shift=(1.0,) * 5)


def _tilted(bound, scores, dealt):
    if bound == "rare":
        return _rare((scores,), dealt)[0]
    return getattr(tilt, bound)((scores,), dealt)[0]


def _rare(scores, dealt):
    return tilt.rare(scores, dealt, odds=(1.0,) * 6)


def _ladder(answers):
    return Ladder(tuple(sum(answer > cut for answer in answers) for cut in range(5)), len(answers))
