"""Recorded observations judged again: the same verdicts, whoever asks and however late."""

from datetime import timedelta

import pytest

from phasegate.domain.errors import RecordingError
from phasegate.domain.judge.fold import Entry, in_order
from phasegate.domain.judge.replay import agrees, looks, recorded_and_replayed, without_unrecorded
from phasegate.domain.recording import RecordedBreach, RecordedSoak, Recording, Watched, judged_by
from phasegate.domain.verdict import Finding
from tests.domain.judge_cases import MINUTE, a_minute, a_phase, a_plan, a_probe, after
from tests.recorded import SETTLE, plan_of, seen, streamed


def a_recording(watched: Watched, *moments: float) -> Recording:
    """A recording with the verdicts that a judge gave at these minutes after T0."""
    verdicts = tuple(streamed(plan_of(), watched, after(at)) for at in moments)
    return Recording(release="r1", plan=plan_of(), watched=(watched,), verdicts=verdicts)


def test_a_replay_asks_after_each_interval_and_at_the_end_of_the_soak():
    """
    What the keeper saw minute after minute is seen again.
    """
    found = tuple(looks(plan_of(), seen(minutes=30)))

    assert found[-1].closing
    assert found[-1].verdict.at == after(30) + SETTLE
    assert [look.verdict.at for look in found[-3:]] == [after(at) for at in (30, 31, 32)]
    assert sum(look.closing for look in found) == 1


def test_a_harmful_version_ends_the_replay_when_it_would_have_been_taken_back():
    """
    What came afterwards in the recording would not have happened.
    """
    found = tuple(looks(plan_of(), seen(bad_from=60)))

    assert found[-1].verdict.finding is Finding.HARMFUL
    assert found[-1].verdict.at == after(61) + SETTLE
    assert all(look.verdict.finding is not Finding.HARMFUL for look in found[:-1])


@pytest.mark.parametrize("bad_from", [None, 60])
def test_what_a_ledger_recorded_is_found_again_to_the_word(bad_from: int | None):
    """
    A record that cannot be recomputed is an assertion, not evidence.
    """
    recording = a_recording(seen(bad_from=bad_from), 2.4, 9, 30.7, 63.2, 122)

    pairs = recorded_and_replayed(recording)

    assert len(pairs) == 5
    assert all(agrees(recorded, replayed) for recorded, replayed in pairs)
    assert {pair[1].finding for pair in pairs} >= {
        Finding.INCONCLUSIVE if bad_from is None else Finding.HARMFUL
    }


def test_a_breach_is_found_again_with_its_reasons():
    """
    The keeper notes a breach alone, without the verdict behind it.
    """
    watched = seen(bad_from=60)
    verdict = streamed(plan_of(), watched, after(63.1))
    breach = RecordedBreach(phase="canary", at=after(63.2), because=verdict.because())
    recording = Recording(release="r1", plan=plan_of(), watched=(watched,), breaches=(breach,))

    ((recorded, replayed),) = recorded_and_replayed(recording)

    assert verdict.finding is Finding.HARMFUL
    assert agrees(recorded, replayed)


def test_a_change_of_the_record_is_found():
    """
    A replay that agrees with everything proves nothing.
    """
    recording = a_recording(seen(bad_from=60), 63.2)
    cleaned = seen()

    ((recorded, replayed),) = recorded_and_replayed(recording.model_copy(update={"watched": (cleaned,)}))

    assert not agrees(recorded, replayed)


def test_an_interval_that_was_open_when_the_phase_began_comes_after_it():
    """
    A judge that folds what is stored must not count what one that watched could not have known.
    """
    entry, minutes = Entry("canary", after(2)), [a_minute(0), a_minute(1)]

    order = in_order([entry], minutes, [a_probe(1.5)], settle=1.5 * MINUTE)

    assert [what for _, what in order] == [a_probe(1.5), entry, *minutes]
    assert [at for at, _ in order] == [after(1.5), after(2), after(2.5), after(3.5)]


def test_a_gap_is_judged_as_silence_once_it_holds():
    """
    Missing rows are not good rows.
    """
    watched = seen(minutes=60)
    gap = tuple(minute for minute in watched.minutes if not after(20) <= minute.start < after(50))

    found = tuple(looks(plan_of(), watched.model_copy(update={"minutes": gap})))

    silent = [look.verdict for look in found if look.verdict.silent]
    assert silent
    assert silent[0].finding is Finding.INCONCLUSIVE
    assert silent[0].at == after(20) + 15 * MINUTE + SETTLE
    assert not found[-1].verdict.silent


def test_a_recording_that_stops_before_the_end_of_the_soak_closes_nothing():
    """
    Half a soak is no soak, and what came after the recording is unknown, not silent.
    """
    watched = seen(minutes=60)
    longer = watched.soaks[0].model_copy(update={"until": after(120)})

    found = tuple(looks(plan_of(), watched.model_copy(update={"soaks": (longer,)})))

    assert not any(look.closing or look.verdict.silent for look in found)


def test_phases_follow_each_other():
    """
    Each soak is judged until the next begins.
    """
    soaks = (
        RecordedSoak(phase="canary", since=after(0), until=after(30)),
        RecordedSoak(phase="partial", since=after(33), until=after(60)),
    )

    found = tuple(looks(plan_of(), seen(minutes=60, soaks=soaks)))

    assert [look.verdict.phase for look in found if look.closing] == ["canary", "partial"]
    phases = [look.verdict.phase for look in found]
    assert phases == sorted(phases)


def test_a_soak_closes_before_a_phase_that_begins_in_the_same_moment():
    """
    In a table phases follow without a pause, and each is judged on all of its intervals.
    """
    soaks = tuple(
        RecordedSoak(phase=name, since=after(30 * at), until=after(30 * at + 30))
        for at, name in enumerate(("canary", "partial"))
    )
    plan = plan_of()
    settled = plan.telemetry.model_copy(update={"settle": 0 * MINUTE})

    found = tuple(
        looks(plan.model_copy(update={"telemetry": settled}), seen(minutes=60, history=0, soaks=soaks))
    )

    closing = {look.verdict.phase: look.verdict for look in found if look.closing}
    assert {name: verdict.at for name, verdict in closing.items()} == {
        "canary": after(30),
        "partial": after(60),
    }
    assert closing["canary"].judged_until == after(30)


def test_rules_that_the_recording_cannot_speak_of_are_named_and_left_out():
    """
    A table of errors alone still answers the question about errors.
    """
    watched = seen(probes=False)
    blind = tuple(
        minute.model_copy(
            update={"counts": tuple(one.model_copy(update={"slow": ()}) for one in minute.counts)}
        )
        for minute in watched.minutes
    )

    plan, left_out = without_unrecorded(plan_of(), watched.model_copy(update={"minutes": blind}))

    assert left_out == (
        "P95 < 500ms: no count of requests slower than 500 ms is recorded",
        "health: no health checks are recorded",
        "P95 > 2s: no count of requests slower than 2000 ms is recorded",
    )
    assert [rule.metric for rule in plan.phase("canary").success] == [
        "error-rate",
        "critical-alerts",
        "attested",
    ]
    assert [rule.metric for rule in plan.phase("canary").rollback] == ["error-rate"]
    assert without_unrecorded(plan_of(), seen()) == (plan_of(), ())


def test_another_plan_judges_what_was_recorded_by_the_clock_of_the_recording():
    """
    Buckets and the time a source needs are facts of the recording, not wishes of a plan.
    """
    recording = a_recording(seen(), 9)
    strict = a_plan(interval="30s", name="strict")

    judged = judged_by(recording, strict)

    assert (judged.plan.name, judged.plan.interval) == ("strict", MINUTE)
    assert judged.verdicts == ()


def test_a_plan_without_the_phase_that_was_watched_is_refused():
    """
    Nothing can be said about a phase that has no rules.
    """
    other = a_plan(phases=(a_phase("staging", 0), a_phase("tenth", 10), a_phase("full", 100)))

    with pytest.raises(RecordingError, match="has no phase 'canary', which the recording watched"):
        judged_by(a_recording(seen()), other)


def test_the_time_of_a_judge_is_that_of_the_observations():
    """
    A replay a year later is the replay of today.
    """
    shifted = timedelta(days=365)
    watched = seen(minutes=30, bad_from=20)
    later = watched.model_copy(
        update={
            "minutes": tuple(m.model_copy(update={"start": m.start + shifted}) for m in watched.minutes),
            "probes": tuple(p.model_copy(update={"at": p.at + shifted}) for p in watched.probes or ()),
            "soaks": tuple(
                s.model_copy(update={"since": s.since + shifted, "until": s.until + shifted})
                for s in watched.soaks
            ),
        }
    )

    one, other = tuple(looks(plan_of(), watched)), tuple(looks(plan_of(), later))

    assert [look.verdict.finding for look in one] == [look.verdict.finding for look in other]
    assert one[-1].verdict.at + shifted == other[-1].verdict.at
