"""Two sources of metrics: what counts as a difference, and what the second may say alone."""

from datetime import timedelta

from phasegate.domain.judge.second import accuse
from phasegate.domain.sources import Compared, CrossCheck, Invocations, differences, synthetic_differences

RULE = CrossCheck(every=timedelta(seconds=60), settle=timedelta(seconds=180), differ=10, at_least=200)
LABELS = {"a": "v1", "b": "v2"}


def counted(version: str, requests: int, errors: int, *, sampling: float = 1.0) -> Invocations:
    return Invocations(version=version, requests=requests, errors=errors, sampling=sampling)


def row(first: tuple[int, int], second: tuple[int, int]) -> Compared:
    return Compared(version="b", requests=first[0], errors=first[1], second=counted("b", *second))


def test_sources_that_agree_say_nothing():
    """
    Windows never begin and end with the same request, and answers of 500 are no failed invocations.
    """
    assert differences((row((1000, 80), (1012, 0)),), RULE, labels=LABELS) == ()


def test_counts_that_differ_are_said_for_each_version():
    """
    Half of the requests missing is not chance, whichever source misses them.
    """
    (said,) = differences((row((1000, 0), (500, 0)),), RULE, labels=LABELS)
    (other,) = differences((row((500, 0), (1000, 0)),), RULE, labels=LABELS)

    assert said == "v2: telemetry counted 1,000 requests, the second source 500 in the same time"
    assert "500 requests, the second source 1,000" in other


def test_too_few_requests_are_not_compared():
    """
    Ten against five is no news.
    """
    assert differences((row((10, 0), (5, 0)),), RULE, labels=LABELS) == ()


def test_failed_invocations_that_telemetry_has_not_seen_are_said():
    """
    Telemetry counts every failed invocation and more; fewer means that it misses something.
    """
    (said,) = differences((row((1000, 2), (1000, 60)),), RULE, labels=LABELS)

    assert said == "v2: the second source counted 60 failed invocations, telemetry only 2 failed requests"


def test_the_second_source_accuses_only_beyond_chance():
    """
    Two of a hundred may be chance at a limit of 1 %; twelve are not.
    """
    few, many = counted("b", 100, 2), counted("b", 100, 12)

    assert accuse((few,), (0.01,), canary="b", control="a", alpha=0.01) is None
    assert accuse((many,), (0.2, 0.01), canary="b", control="a", alpha=0.01) == (0.01, many)


def test_one_counted_row_is_evidence_of_one_request():
    """
    An estimate of a thousand made of ten rows is evidence of ten.
    """
    thin = counted("b", 1000, 100, sampling=100.0)

    assert accuse((thin,), (0.01,), canary="b", control="a", alpha=0.01) is None


def test_a_limit_that_the_control_breaks_as_well_accuses_nobody():
    """
    The platform may be at fault, and taking back would not help.
    """
    both = (counted("a", 900, 100), counted("b", 100, 12))

    assert accuse(both, (0.01,), canary="b", control="a", alpha=0.01) is None
    assert accuse((), (0.01,), canary="b", control="a", alpha=0.01) is None


def test_our_own_requests_are_counted_twice_and_compared():
    """
    An answer may cross an interval's end, and one that never came may have been counted or not.
    """
    agreed = (row((40, 12), (40, 12)), row((41, 0), (40, 0)), row((45, 8), (38, 8)))

    assert synthetic_differences(agreed, labels=LABELS) == ()


def test_telemetry_that_misses_what_the_sender_saw_is_said():
    """
    Synthetic requests say bad and telemetry says nothing: a person finds out which is right.
    """
    lost = synthetic_differences((row((3, 0), (40, 0)),), labels=LABELS)
    blind = synthetic_differences((row((40, 0), (40, 12)),), labels=LABELS)

    assert lost == ("v2: it answered 40 requests of ours, telemetry counted 3 of them",)
    assert blind == (
        "v2: 12 of 40 requests of ours did not get the answer asked for, telemetry counted 0 failed",
    )
