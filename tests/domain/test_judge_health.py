"""Health checks: what takes a version back, what passes, and what says nothing."""

from judge_cases import (
    CANARY,
    HEALTH,
    a_judge,
    a_minute,
    a_phase,
    a_plan,
    a_probe,
    after,
    fired,
    reasons,
    served,
)

from phasegate.domain.verdict import Finding


def probed(judge, *probes):
    for probe in probes:
        judge.probe(probe)
    return judge.verdict(max(probe.at for probe in probes))


def judge_with(**rule):
    limit = {**HEALTH, **rule}
    return a_judge(a_plan(phases=[a_phase("canary", 10, rollback=[limit]), a_phase("full", 100)]))


def test_failing_for_the_whole_limit_takes_the_version_back():
    """
    "Health check fails for > 2 minutes" is a rollback whatever the rates say.
    """
    judge = a_judge()

    early = probed(judge, a_probe(1), a_probe(2, ok=False), a_probe(3.9, ok=False))
    late = probed(judge, a_probe(4, ok=False))

    assert not fired(early)
    assert fired(late)[0].rule == "health-failing"
    assert "failed 3 times in a row for 2m" in fired(late)[0].text
    assert "status 503" in fired(late)[0].text


def test_a_check_that_passes_ends_the_row_of_failures():
    """
    Two failures an hour apart are not an hour of failing.
    """
    judge = a_judge()

    verdict = probed(judge, a_probe(1, ok=False), a_probe(2), a_probe(3.5, ok=False))

    assert not fired(verdict)


def test_so_many_failures_in_a_row_take_the_version_back_at_once():
    """
    The alert table says rollback at three; a plan can make that a threshold.
    """
    judge = judge_with(consecutive=3)

    two = probed(judge, a_probe(0.1, ok=False), a_probe(0.2, ok=False))
    three = probed(judge, a_probe(0.3, ok=False))

    assert not fired(two)
    assert fired(three)[0].rule == "health-consecutive"


def test_the_same_check_counts_once():
    """
    A probe that is read again after a restart is not a second failure.
    """
    judge, failure = judge_with(consecutive=2), a_probe(0.1, ok=False)

    verdict = probed(judge, failure, failure)

    assert not fired(verdict)


def test_failures_without_any_further_check_do_not_grow():
    """
    One failed check and then none for ten minutes is not ten minutes of failing.
    """
    judge = a_judge()
    judge.probe(a_probe(1, ok=False))

    assert not fired(judge.verdict(after(11)))


def test_no_check_yet_is_not_healthy():
    """
    Absence never passes.
    """
    found = reasons(a_judge().verdict(after(1)), "health")[0]

    assert found.finding is Finding.INCONCLUSIVE


def test_the_last_check_passing_is_healthy():
    """
    The runbook's "health checks passing".
    """
    found = reasons(probed(a_judge(), a_probe(1, ok=False), a_probe(2)), "health")[0]

    assert found.finding is Finding.HEALTHY
    assert found.query == "GET https://x.test/health"


def test_a_check_of_long_ago_is_not_healthy():
    """
    When nobody asks any more, the last good answer is no news.
    """
    judge = a_judge()
    judge.probe(a_probe(1))

    found = reasons(judge.verdict(after(7)), "health")[0]

    assert found.finding is Finding.INCONCLUSIVE
    assert "6m ago" in found.text


def test_checks_of_the_phase_before_are_not_evidence():
    """
    A version that was healthy at 10 % has not been asked at 50 %.
    """
    judge = a_judge()
    probed(judge, a_probe(1))
    judge.enter("partial", after(2))
    judge.probe(a_probe(1.5))

    found = reasons(judge.verdict(after(3)), "health")[0]

    assert found.finding is Finding.INCONCLUSIVE


def test_clean_traffic_does_not_excuse_failing_health():
    """
    The worst classification wins.
    """
    judge = a_judge()
    judge.add(a_minute(0, served(CANARY, 100_000)))

    verdict = probed(judge, a_probe(0.1, ok=False), a_probe(2.1, ok=False))

    assert verdict.finding is Finding.HARMFUL
