"""What promotes: every criterion proved, over the phases together, and none violated."""

from judge_cases import CANARY, STABLE, a_judge, a_minute, a_plan, a_probe, after, reasons, served

from phasegate.domain.verdict import Finding


def rate(verdict):
    return reasons(verdict, "error-rate")[0]


def test_enough_clean_requests_prove_every_criterion():
    """
    Healthy means proved: rates, health and alerts, each with its counts.
    """
    judge = a_judge()
    judge.add(a_minute(0, served(CANARY, 20_000), served(STABLE, 180_000, 90)))
    judge.probe(a_probe(2))

    verdict = judge.verdict(after(3))

    assert verdict.finding is Finding.HEALTHY
    assert {reason.criterion for reason in verdict.reasons} == {
        "error-rate",
        "latency",
        "health",
        "critical-alerts",
    }
    assert rate(verdict).text.startswith(
        "canary failed 0 of 20,000 requests (0 %), limit < 0.1 %: proven; the true rate is between 0 %"
    )
    assert rate(verdict).baseline == "control failed 90 of 180,000 requests (0.05 %)"


def test_too_few_requests_prove_nothing_and_say_how_many_would():
    """
    An interrupted or thin soak is not a success.
    """
    judge = a_judge()
    judge.add(a_minute(0, served(CANARY, 1000)))
    judge.probe(a_probe(2))

    verdict = judge.verdict(after(3))

    assert verdict.finding is Finding.INCONCLUSIVE
    assert not verdict.violated
    assert "unproven" in rate(verdict).text
    assert "more clean requests would prove it" in rate(verdict).text


def test_nothing_judged_is_not_success():
    """
    A soak in which nothing was seen ends like it began: without evidence.
    """
    verdict = a_judge().verdict(after(1))

    assert verdict.finding is Finding.INCONCLUSIVE
    assert rate(verdict).value == "no data"
    assert "no request of the canary has been judged" in rate(verdict).text


def test_a_violated_criterion_is_flagged_and_takes_nothing_back():
    """
    Between .1 % and 1 % the runbook neither advances nor rolls back: a person decides.
    """
    judge = a_judge()
    for at in range(20):
        judge.add(a_minute(at, served(CANARY, 1000, 5)))

    verdict = judge.verdict(after(22))

    assert verdict.violated
    assert verdict.finding is Finding.INCONCLUSIVE
    assert "violated" in rate(verdict).text


def test_proof_is_pooled_over_the_phases():
    """
    What was proved at 10 % need not be proved again at 50 %.
    """
    judge = a_judge()
    judge.add(a_minute(0, served(CANARY, 6000)))

    judge.enter("partial", after(10))
    judge.add(a_minute(10, served(CANARY, 6000)))

    assert rate(judge.verdict(after(13))).finding is Finding.HEALTHY
    assert rate(judge.verdict(after(13))).total == 12_000


def test_a_good_phase_does_not_hide_a_bad_one():
    """
    A million clean requests at 10 % cannot carry a version that fails at 50 %.
    """
    judge = a_judge()
    judge.add(a_minute(0, served(CANARY, 1_000_000)))

    judge.enter("partial", after(10))
    for at in range(10, 20):
        judge.add(a_minute(at, served(CANARY, 1000, 5)))
    verdict = judge.verdict(after(22))

    assert verdict.violated
    assert rate(verdict).total == 10_000


def test_a_load_test_on_staging_proves_nothing_about_production():
    """
    Synthetic requests against another Worker are not the evidence that the canary owes.
    """
    judge = a_judge(phase="staging")
    judge.add(a_minute(0, served(CANARY, 30_000)))

    judge.enter("canary", after(10))

    assert rate(judge.verdict(after(11))).total == 0


def test_entering_the_same_phase_again_changes_nothing():
    """
    A release that is taken up again must not lose its soak.
    """
    judge = a_judge()
    judge.add(a_minute(0, served(CANARY, 6000)))
    before = judge.state()

    judge.enter("canary", after(0))

    assert judge.state() == before


def test_latency_is_proved_like_errors():
    """
    P95 below 500 ms is "fewer than 5 % slower than 500 ms", with the same certainty.
    """
    judge = a_judge(a_plan())
    judge.add(a_minute(0, served(CANARY, 1000, slow=10)))

    found = reasons(judge.verdict(after(3)), "latency")[0]

    assert found.finding is Finding.HEALTHY
    assert found.threshold == "< 5 % slower than 500ms (P95 < 500ms)"
    assert (found.bad, found.total) == (10, 1000)


def test_thin_evidence_that_looks_bad_is_doubtful():
    """
    Nine failures of 1,900 prove nothing yet, but chance makes them of one in a thousand in 1 of 7,000 cases.
    """
    judge = a_judge()
    judge.add(a_minute(0, served(CANARY, 1902, 9)))

    verdict = judge.verdict(after(3))

    assert not verdict.violated
    assert verdict.doubtful


def test_one_failure_of_a_few_hundred_is_no_doubt():
    """
    One in a thousand makes one failure of 314 in every fourth case.
    """
    judge = a_judge()
    judge.add(a_minute(0, served(CANARY, 314, 1)))

    assert not judge.verdict(after(3)).doubtful
