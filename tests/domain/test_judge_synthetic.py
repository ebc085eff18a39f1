"""What synthetic requests may show: harm, and that a version answers; never that users are well."""

import json
import random
from datetime import datetime, timedelta

import pytest

from phasegate.domain.decision import Action, decide
from phasegate.domain.judge import Judge
from phasegate.domain.judge.too_low import too_low
from phasegate.domain.observation import Minute
from phasegate.domain.plan import LowTraffic, RolloutPlan
from phasegate.domain.verdict import Finding, Verdict
from tests.domain.judge_cases import (
    CANARY,
    MINUTE,
    STABLE,
    T0,
    a_judge,
    a_minute,
    a_phase,
    a_plan,
    a_probe,
    after,
    fired,
    served,
)

ASKED = {"requests": [{"path": "/"}], "rate": 0.5, "ceiling": 10_000, "limit": "2h"}
PROVED = [{"metric": "error-rate", "below": "0.1%"}]


def asked(at: int, failed: int = 0, control: int = 0, *, each: int = 30) -> Minute:
    """One interval of synthetic requests, *each* to either version."""
    counts = (served(CANARY, each, failed), served(STABLE, each, control))
    return a_minute(at, *counts).model_copy(update={"synthetic": True, "own": counts})


def watched(plan: RolloutPlan, *answers: Minute, users: int = 0) -> tuple[Judge, Verdict]:
    """The canary gets *users* requests a minute beside what is *asked* in each."""
    judge = a_judge(plan)
    for at, minute in enumerate(answers):
        judge.add(a_minute(at, served(STABLE, 9 * users), served(CANARY, users)))
        judge.answered(minute)
        judge.probe(a_probe(at + 0.5))
    return judge, judge.verdict(after(len(answers) + 2))


def rules(verdict: Verdict) -> set[str]:
    """The rules that spoke."""
    return {reason.rule for reason in verdict.reasons}


def test_failures_that_the_control_does_not_have_are_harm():
    """
    3 of 30 a minute: in the second minute a limit is broken beyond chance, and the reason says by what.
    """
    _, verdict = watched(a_plan(synthetic=ASKED), asked(0, 3), asked(1, 3))

    assert verdict.finding is Finding.HARMFUL
    assert {reason.rule for reason in fired(verdict)} == {"synthetic-limit"}
    assert "synthetic requests: canary failed 6 of 60 requests" in fired(verdict)[0].text
    assert "control failed 0 of 60" in fired(verdict)[0].text


def test_the_comparison_alone_is_harm_where_no_limit_is():
    """
    A plan may have no limit that few requests can break; the control answered the same ones.
    """
    slack = {"metric": "error-rate", "above": "99%"}
    plan = a_plan(synthetic=ASKED, phases=(a_phase("canary", 10, rollback=(slack,)), a_phase("full", 100)))

    _, verdict = watched(plan, *(asked(at, 6) for at in range(4)))

    assert [reason.rule for reason in fired(verdict)] == ["synthetic-comparison"]
    assert (
        "canary 24 of 120 synthetic requests failed, control 0 of 120 in the same minutes"
        in fired(verdict)[0].text
    )


def test_requests_that_both_versions_fail_accuse_nobody():
    """
    A path that is gone, or a network of ours that is down, is not the canary's fault.
    """
    _, verdict = watched(a_plan(synthetic=ASKED), *(asked(at, 30, 30) for at in range(20)))

    assert verdict.finding is Finding.INCONCLUSIVE
    assert verdict.silent
    assert "accuse nobody" in next(r.text for r in verdict.reasons if r.rule == "synthetic-limit")


def test_requests_that_always_fail_now_and_then_accuse_nobody():
    """
    Two in a hundred fail on both versions for two hours: the control shows what is usual.
    """
    rng, plan = random.Random(7), a_plan(synthetic=ASKED)
    harmful = 0
    for _ in range(12):
        judge = a_judge(plan)
        for at in range(120):
            failed, control = (sum(rng.random() < 0.02 for _ in range(30)) for _ in range(2))
            judge.answered(asked(at, failed, control))
            harmful += any(
                reason.rule.startswith("synthetic") for reason in fired(judge.verdict(after(at + 1)))
            )

    assert harmful == 0


def test_answers_end_a_silence_and_the_verdict_says_what_it_rests_on():
    """
    Twenty minutes without users are no silence when the canary answered, but no health either.
    """
    judge, verdict = watched(a_plan(synthetic=ASKED), *(asked(at) for at in range(20)))
    silent = judge.verdict(after(45))

    assert not verdict.silent
    assert verdict.synthetic
    assert verdict.finding is Finding.INCONCLUSIVE
    assert "rests on synthetic requests, which prove no success criterion" in verdict.reasons[0].text
    assert silent.silent, "the last answer is as old as a silence"
    assert not silent.synthetic


def test_a_source_that_is_away_is_away_whatever_is_answered():
    """
    Users may be there and nobody counts them: that is not ended by asking.
    """
    judge, _ = watched(a_plan(synthetic=ASKED), *(asked(at) for at in range(20)))
    judge.away(after(3))

    assert judge.verdict(after(22)).silent


@pytest.mark.parametrize(("low_traffic", "action"), [("accept", Action.PROMOTE), ("hold", Action.ASK)])
def test_a_canary_without_users_goes_on_as_the_plan_says(low_traffic: str, action: Action):
    """
    What silence would have held is decided by `low_traffic`, with the words on record.
    """
    plan = a_plan(synthetic=ASKED)
    phase = plan.phase("canary").model_copy(update={"low_traffic": LowTraffic(low_traffic)})
    _, verdict = watched(plan, *(asked(at) for at in range(20)))

    decision = decide(phase, verdict, extended=2, approved=False)

    assert decision.action is action
    assert any("rests on synthetic requests" in reason.text for reason in decision.because)


def test_suspicious_answers_are_not_accepted_as_thin():
    """
    Evidence of 20 and more speaks against it: then a person is asked, whatever `low_traffic` says.
    """
    slack = {"metric": "error-rate", "above": "99%"}
    phases = (a_phase("canary", 10, rollback=(slack,), low_traffic="accept"), a_phase("full", 100))
    plan = a_plan(synthetic=ASKED, phases=phases)
    _, verdict = watched(plan, asked(0), asked(1), *(asked(at, 4) for at in range(2, 4)))

    assert verdict.doubtful
    assert decide(plan.phases[0], verdict, extended=2, approved=False).action is Action.ASK


def test_synthetic_requests_prove_only_where_the_plan_says_why():
    """
    They are not users. A plan that lets them prove says so in words, and the words are in the reason.
    """
    phases = (a_phase("canary", 10, success=PROVED), a_phase("full", 100))
    silent = a_plan(synthetic=ASKED, phases=phases)
    words = "the service has one route, and it is asked"
    spoken = a_plan(synthetic={**ASKED, "proves": words}, phases=phases)
    answers = [asked(at, each=300) for at in range(30)]

    _, without = watched(silent, *answers)
    _, proved = watched(spoken, *answers)

    assert without.finding is Finding.INCONCLUSIVE
    assert proved.finding is Finding.HEALTHY
    assert "synthetic-proof" in rules(proved)
    assert any(words in reason.text for reason in proved.reasons)


def test_the_counts_of_users_are_as_without_them():
    """
    Ten good synthetic minutes do not thin out the failures of users, and bad ones are not theirs.
    """
    users = [a_minute(at, served(STABLE, 90), served(CANARY, 10, 1)) for at in range(3)]
    plain, beside = a_judge(a_plan(synthetic=ASKED)), a_judge(a_plan(synthetic=ASKED))
    for at, minute in enumerate(users):
        plain.add(minute)
        beside.add(minute)
        beside.answered(asked(at, each=300))
    now = after(6)

    of_users = {reason for reason in beside.verdict(now).reasons if not reason.rule.startswith("synthetic")}

    assert of_users == set(plain.verdict(now).reasons)


def test_a_judge_that_is_loaded_goes_on_the_same():
    """
    A keeper that starts again knows what was answered.
    """
    plan = a_plan(synthetic=ASKED)
    judge, verdict = watched(plan, asked(0, 1), asked(1), asked(2, 1))

    loaded = Judge.load(plan, json.loads(json.dumps(judge.state())))

    assert loaded.verdict(after(5)) == verdict
    loaded.answered(asked(3, 20))
    judge.answered(asked(3, 20))
    assert loaded.verdict(after(6)) == judge.verdict(after(6))


def test_the_warmup_is_not_judged_and_a_new_phase_begins_anew():
    """
    Limits look at the present phase alone, as they do for users.
    """
    phases = (
        a_phase("canary", 10, soak={"duration": "2h", "warmup": "5m"}),
        a_phase("partial", 50),
        a_phase("full", 100),
    )
    judge, warm = watched(a_plan(synthetic=ASKED, phases=phases), *(asked(at, 30) for at in range(5)))
    judge.answered(asked(5, 30))
    judge.enter("partial", after(60))

    assert warm.finding is Finding.INCONCLUSIVE
    assert "synthetic-limit" not in rules(judge.verdict(after(61)))


def low(users: int, *, now: int = 60, known: int = 60, warmup: str = "0s") -> str | None:
    """Whether *users* a minute on the canary are too few, an hour into a soak of two."""
    soak = {"duration": "2h", "warmup": warmup}
    plan = a_plan(synthetic=ASKED, phases=(a_phase("canary", 10, soak=soak), a_phase("full", 100)))
    minutes = [a_minute(at, served(STABLE, 9 * users), served(CANARY, users)) for at in range(known)]
    until: datetime = T0 + timedelta(hours=2)
    return too_low(
        plan,
        plan.phases[0],
        minutes,
        soaks={"canary": T0},
        until=until,
        now=T0 + now * MINUTE,
        canary=CANARY,
        control=STABLE,
    )


def test_traffic_is_too_low_without_users_or_without_power():
    """
    The power is the judge's own: what would promote without a proof is enough traffic.
    """
    assert low(0) == "the canary has served no requests of users for 5m"
    assert "would not have shown in 95 % of releases by the soak's end" in str(low(1))
    assert low(100) == ""


def test_unknown_traffic_is_not_low():
    """
    Before the silence's time is over, and while the source is away, nothing is sent.
    """
    assert low(0, now=6, known=4) is None
    assert low(0, now=60, known=30) is None
    assert low(0, now=60, warmup="55m") is None
