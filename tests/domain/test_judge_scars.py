"""What other tools got wrong, as examples that must never pass here."""

from judge_cases import (
    CANARY,
    HEALTH,
    LATENCY,
    STABLE,
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

from phasegate.domain.decision import Action, decide
from phasegate.domain.observation import Counts


def outcome(judge, at, *, low_traffic="hold"):
    """What happens at the end of the soak, when every extension has been used."""
    phase = a_plan(phases=[a_phase("canary", 10, low_traffic=low_traffic), a_phase("full", 100)]).phase(
        "canary"
    )
    judge.probe(a_probe(at))
    return decide(phase, judge.verdict(after(at)), extended=phase.soak.extensions, approved=False).action


def test_an_interrupted_soak_is_not_success():
    """
    Elsewhere an analysis that was cut short counts as successful.
    """
    judge = a_judge()
    judge.add(a_minute(0, served(CANARY, 50)))

    assert outcome(judge, 3) is Action.ASK


def test_no_data_is_not_a_failed_check():
    """
    Elsewhere no data and an outage of the provider count as failures, and the counter never resets.
    """
    judge = a_judge()
    for at in range(60):
        judge.add(a_minute(at))

    assert not fired(judge.verdict(after(62)))


def test_no_data_is_not_a_score_of_a_hundred():
    """
    Elsewhere a group without data scores full marks.
    """
    judge = a_judge()
    for at in range(60):
        judge.add(a_minute(at, served(STABLE, 1000)))

    assert outcome(judge, 62) is Action.ASK


def test_low_traffic_that_is_accepted_does_not_accept_silence():
    """
    "Accept" speaks of few requests, not of none.
    """
    judge = a_judge()
    judge.add(a_minute(0, served(CANARY, 50)))

    assert outcome(judge, 3, low_traffic="accept") is Action.PROMOTE
    assert outcome(judge, 30, low_traffic="accept") is Action.ASK


def test_a_failed_query_never_passes():
    """
    Elsewhere a query that failed is read as zero errors.
    """
    judge = a_judge()
    for at in range(3):
        judge.add(a_minute(at, served(CANARY, 10_000)))
    judge.away(after(3))

    assert outcome(judge, 30) is Action.ASK


def test_a_returned_500_is_an_error_and_the_control_does_not_dilute_it():
    """
    Elsewhere a query over the whole script hides a 10 % canary nine to one.
    """
    judge = a_judge()
    judge.add(a_minute(0, served(CANARY, 1000, 80), served(STABLE, 99_000)))

    verdict = judge.verdict(after(3))

    assert fired(verdict)[0].value == "8 %"


def test_rare_errors_are_not_invisible():
    """
    Elsewhere 7 of 10 points a hundred times worse pass, and a tenth of a percent is not seen.
    """
    judge = a_judge()
    for at in range(60):
        judge.add(a_minute(at, served(CANARY, 1000, 4), served(STABLE, 9000, 4)))

    verdict = judge.verdict(after(62))

    assert verdict.violated
    assert fired(verdict)[0].rule == "comparative-evidence"


def test_seven_minutes_of_ten_a_hundred_times_worse_do_not_pass():
    """
    Elsewhere the minutes are ranked, and three good ones of ten outweigh how bad the others are.
    """
    judge = a_judge(a_plan(phases=[a_phase("canary", 10, rollback=[LATENCY, HEALTH]), a_phase("full", 100)]))
    for at in range(10):
        judge.add(a_minute(at, served(CANARY, 1000, 0 if at % 3 == 0 else 5), served(STABLE, 20_000, 1)))

    assert fired(judge.verdict(after(12)))[0].rule == "comparative-evidence"


def test_good_minutes_do_not_have_to_be_perfect_to_clear_a_suspicion():
    """
    Elsewhere failed checks are counted and the counter never resets; here good minutes speak as well.
    """
    judge = a_judge()
    judge.add(a_minute(0, served(CANARY, 600, 3), served(STABLE, 5400, 2)))
    suspected = judge.verdict(after(3)).evidence[-1][1]
    for at in range(1, 60):
        judge.add(a_minute(at, served(CANARY, 600, at % 2), served(STABLE, 5400, 4)))

    assert suspected > 0.5
    assert judge.verdict(after(62)).evidence[-1][1] < suspected / 2


def test_a_source_that_cannot_tell_latency_does_not_pass_it():
    """
    Elsewhere NaN fails or passes by accident; here what was not measured is not evidence.
    """
    judge = a_judge()
    judge.add(a_minute(0, Counts(version=CANARY, endpoint="/", total=50_000, errors=0)))

    assert outcome(judge, 3) is Action.ASK


def test_rows_that_name_no_version_are_nobodys_evidence():
    """
    Requests that cannot be attributed prove nothing for the canary.
    """
    judge = a_judge()
    judge.add(a_minute(0, served("", 50_000)))

    assert reasons(judge.verdict(after(3)), "error-rate")[0].total == 0


def test_more_errors_than_requests_are_requests_too():
    """
    Sampled counts that were scaled up can contradict each other; the worse reading is taken.
    """
    judge = a_judge()
    judge.add(a_minute(0, served(CANARY, 100, 130)))

    reason = fired(judge.verdict(after(3)))[0]

    assert (reason.bad, reason.total, reason.value) == (130, 130, "100 %")
