"""The judge's memory: small, exact, and refused when it belongs to something else."""

import json
from datetime import datetime, timedelta
from time import perf_counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judge_cases import CANARY, STABLE, T0, a_judge, a_minute, a_phase, a_plan, a_probe, after, served

from phasegate.domain.errors import Refused
from phasegate.domain.judge import Judge
from phasegate.domain.observation import Counts

ATTRIBUTED = a_plan(attribution="attributed")


def measured(version, total, errors):
    """Counts on two endpoints at every cut that telemetry counts."""
    return [
        Counts(
            version=version,
            endpoint=endpoint,
            total=total,
            errors=errors,
            slow=tuple((cut, total * 20 // (20 + cut)) for cut in ATTRIBUTED.counted),
        )
        for endpoint in ("/a", "/b")
    ]


def acts(judge, number):
    """One of the things that happen to a judge, by number."""
    at = 1 + number // 7
    match number % 7:
        case 0:
            judge.learn(a_minute(-at, *measured(STABLE, 900 + number, number % 3)))
        case 1 | 2:
            ours, theirs = (
                measured(CANARY, 50 + number, number % 5),
                measured(STABLE, 400, number % 9),
            )
            judge.add(a_minute(at, *ours, *theirs))
        case 3:
            judge.probe(a_probe(at, ok=number % 2 == 0))
        case 4:
            judge.away(after(at))
        case 5:
            judge.add(a_minute(at))
        case 6 if number % 21 == 6:
            judge.enter("partial", after(at))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 210), max_size=40).map(sorted), st.integers(0, 40))
def test_a_judge_that_was_saved_goes_on_identically(numbers, cut):
    """
    A restart at any moment changes no verdict.
    """
    through, before = a_judge(ATTRIBUTED), a_judge(ATTRIBUTED)
    for number in numbers[:cut]:
        acts(through, number)
        acts(before, number)

    restored = Judge.load(ATTRIBUTED, json.loads(json.dumps(before.state())))
    for number in numbers[cut:]:
        acts(through, number)
        acts(restored, number)

    assert restored.verdict(after(40)) == through.verdict(after(40))
    assert restored.state() == through.state()


def test_a_judge_is_saved_before_any_phase():
    """
    Nothing seen is a state too.
    """
    state = Judge(a_plan(), control=STABLE, canary=CANARY).state()

    assert Judge.load(a_plan(), state).state() == state


def test_a_day_of_minutes_is_remembered_in_little():
    """
    The state is what the windows need and sums, however long the release runs.
    """
    judge = a_judge()
    for at in range(1440):
        counts = [served(CANARY, 5000, at % 3, slow=at % 5, endpoint=f"/{n}") for n in range(3)]
        judge.add(a_minute(at, *counts, served(STABLE, 45_000, 20, slow=9)))

    state = judge.state()
    streams = [state["trial"]["total"], *state["trial"]["endpoints"].values(), state["trial"]["latency"]]
    assert len(json.dumps(state)) < 12_000
    assert max(len(json.dumps(stream)) for stream in streams) < 4_000


def test_a_minute_and_a_verdict_take_little_time():
    """
    One keeper watches many releases; half a millisecond each leaves it room (four on a busy machine).
    """
    judge, spent = a_judge(), []
    minutes = [
        a_minute(at, served(CANARY, 5000, 2, slow=40), served(STABLE, 45_000, 20)) for at in range(200)
    ]

    for minute in minutes:
        began = perf_counter()
        judge.add(minute)
        judge.verdict(minute.end)
        spent.append(perf_counter() - began)

    assert sorted(spent)[len(spent) // 2] < 0.004


def test_a_verdict_changes_nothing():
    """
    Asking twice is asking once.
    """
    judge = a_judge()
    judge.add(a_minute(0, served(CANARY, 100, 50), served(STABLE, 900, 400)))
    before = judge.state()

    assert judge.verdict(after(3)) == judge.verdict(after(3))
    assert judge.state() == before


def test_nothing_can_be_judged_before_a_phase_is_entered():
    """
    A verdict without a phase has no criteria to answer.
    """
    judge = Judge(a_plan(), control=STABLE, canary=CANARY)

    with pytest.raises(Refused, match="no phase has been entered"):
        judge.verdict(T0)


def test_an_unknown_phase_is_refused_with_the_known_ones():
    """
    The message says what would have been right.
    """
    with pytest.raises(Refused, match="no phase 'half'; it has staging, canary, partial, full"):
        a_judge(phase="half")


@pytest.mark.parametrize(("control", "canary"), [("v1", "v1"), ("", ""), ("v1", "")])
def test_a_canary_must_be_a_version_of_its_own(control, canary):
    """
    A version compared with itself is always as good as its control.
    """
    with pytest.raises(Refused, match="version of its own"):
        Judge(a_plan(), control=control, canary=canary)


def test_a_state_of_another_plan_is_refused():
    """
    Counts at other latency cuts would be read as if they were these.
    """
    other = a_plan(
        phases=[
            a_phase("canary", 10, rollback=[{"metric": "latency", "above": "3s"}]),
            a_phase("full", 100),
        ]
    )

    with pytest.raises(Refused, match="the plan's cuts are"):
        Judge.load(other, a_judge().state())


def test_a_state_of_another_format_is_refused():
    """
    An old keeper's memory is not guessed at.
    """
    with pytest.raises(Refused, match="format is 99"):
        Judge.load(a_plan(), {**a_judge().state(), "format": 99})


def test_instants_survive_exactly():
    """
    Intervals need not start on whole seconds.
    """
    odd = timedelta(microseconds=333_333)
    judge = Judge(a_plan(), control=STABLE, canary=CANARY)
    judge.enter("canary", T0 + odd)
    judge.add(a_minute(1, served(CANARY, 10)))

    restored = Judge.load(a_plan(), json.loads(json.dumps(judge.state())))

    assert restored.state()["memory"]["entered"] == datetime.isoformat(T0 + odd)
    assert restored.verdict(after(4)) == judge.verdict(after(4))


def test_the_way_of_the_evidence_is_short_and_ends_now():
    """
    A day of intervals is drawn in a hundred points, and what is drawn last is what was judged last.
    """
    judge = a_judge()
    for at in range(1001):
        judge.add(a_minute(at, served(CANARY, 60), served(STABLE, 540)))

    way = judge.verdict(after(1003)).evidence

    assert len(way) <= 97
    assert way[0][0] == after(1)
    assert way[-1][0] == after(1001)
    assert Judge.load(a_plan(), judge.state()).verdict(after(1003)).evidence == way
