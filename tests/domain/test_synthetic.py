"""Synthetic requests in a plan: unsafe ones never start, and ours are told from those of users."""

from typing import Any

import pytest
from pydantic import ValidationError

from phasegate.domain.observation import Minute
from phasegate.domain.plan import STORED, RolloutPlan
from phasegate.domain.synthetic import apart, synthetic_in, withheld
from tests.domain.judge_cases import CANARY, STABLE, a_minute, served
from tests.domain.plan_cases import a_phase, a_plan, staging

ASKED = {"requests": [{"path": "/api/materials"}], "rate": 1, "ceiling": 2000, "limit": "1h"}
WRITING = [{"path": "/"}, {"method": "POST", "path": "/api/orders"}]


def a_synthetic_plan(**changes: Any) -> RolloutPlan:
    return RolloutPlan.model_validate(a_plan(synthetic={**ASKED, **changes}))


def faults(**changes: Any) -> list[str]:
    with pytest.raises(ValidationError) as refused:
        a_synthetic_plan(**changes)
    return [detail["msg"].removeprefix("Value error, ") for detail in refused.value.errors()]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"requests": []}, "synthetic.requests: 0 requests; allowed: at least 1"),
        (
            {"rate": None},
            "synthetic.rate: none; allowed: requests a second to each version, more than 0, at most 10",
        ),
        ({"rate": 0.01}, "synthetic.rate: 0.01 a second; allowed: at least 0.0166667, one in each interval"),
        (
            {"ceiling": None},
            "synthetic.ceiling: none with a rate of 1 a second; allowed: a number of requests",
        ),
        ({"ceiling": 119}, "synthetic.ceiling: 119 while one interval sends 120; allowed: at least 120"),
        ({"limit": None}, "synthetic.limit: none; allowed: a duration such as 1h"),
        ({"limit": "59s"}, "synthetic.limit: 59s; allowed: at least 1m, one interval"),
        (
            {"within": "61s"},
            "synthetic.within: 1m1s while intervals settle after 2m; allowed: more than 0s, at most half",
        ),
        (
            {"requests": WRITING},
            "synthetic.requests.1.method: POST without `writes`; allowed: GET, HEAD, OPTIONS, or a sentence",
        ),
    ],
)
def test_synthetic_requests_without_bounds_are_refused(changes: dict[str, Any], says: str):
    """
    What is sent to production by itself is bounded in rate, count and time, and changes nothing unsaid.
    """
    assert says in "; ".join(faults(**changes))


def test_every_fault_is_told_at_once():
    """
    A plan is corrected in one go.
    """
    (told,) = faults(requests=[], rate=None, ceiling=None, limit=None)

    assert [one.split(":")[0] for one in told.split("; ") if one.startswith("synthetic")] == [
        "synthetic.requests",
        "synthetic.rate",
        "synthetic.ceiling",
        "synthetic.limit",
    ]


def test_requests_that_write_are_allowed_when_the_plan_says_what_they_change():
    """
    Words are the price: whoever reads the plan reads them.
    """
    plan = a_synthetic_plan(requests=WRITING, writes="an order of the test customer, deleted every night")

    assert plan.synthetic is not None
    assert plan.synthetic.pairs(plan.interval) == 60


@pytest.mark.parametrize(
    ("phase", "place"),
    [
        (staging(synthetic=ASKED), "phases.0.synthetic: at 0 % of staging"),
        (a_phase("full", 100, synthetic=ASKED), "phases.2.synthetic: at 100 % of production"),
    ],
)
def test_a_phase_without_both_versions_may_not_ask_for_them(phase: dict[str, Any], place: str):
    """
    The override header reaches only versions of the split, and without a control they accuse nobody.
    """
    others = [staging(), a_phase("canary", 10), a_phase("full", 100)]
    phases = [phase if one["name"] == phase["name"] else one for one in others]

    with pytest.raises(ValidationError, match=place):
        RolloutPlan.model_validate(a_plan(phases=phases))


def test_a_plan_that_never_has_both_versions_sends_nothing_and_says_so():
    """
    What can never be sent is a mistake of whoever wrote it.
    """
    with pytest.raises(ValidationError, match="synthetic: no phase above 0 and below 100 %"):
        RolloutPlan.model_validate(a_plan(phases=[staging(), a_phase("full", 100)], synthetic=ASKED))


def test_a_phase_may_have_its_own_or_none():
    """
    Off by default; the plan's hold in every phase with a control unless a phase says otherwise.
    """
    phases = [
        a_phase("canary", 10),
        a_phase("partial", 50, synthetic={"when": "never"}),
        a_phase("most", 80, synthetic={**ASKED, "rate": 2}),
        a_phase("full", 100),
    ]
    plan = RolloutPlan.model_validate(a_plan(phases=phases, synthetic=ASKED))
    off = RolloutPlan.model_validate(a_plan())

    rates = [rule.rate if (rule := synthetic_in(plan, phase)) else None for phase in plan.phases]

    assert rates == [1, None, 2, None]
    assert [synthetic_in(off, phase) for phase in off.phases] == [None, None, None]


def test_a_plan_of_an_older_ledger_has_none():
    """
    Ledgers written before synthetic requests existed are read as ever.
    """
    stored = RolloutPlan.model_validate(a_plan()).model_dump(mode="json")
    del stored["synthetic"]
    for phase in stored["phases"]:
        del phase["synthetic"]

    assert RolloutPlan.model_validate(stored, context=STORED).synthetic is None


def test_what_carried_our_mark_is_in_no_count_of_users():
    """
    Forty requests of ours beside three of a user: the user's failure is one of three, not of forty-three.
    """
    counted = a_minute(
        0, served(CANARY, 43, 4, slow=2), served(STABLE, 30, endpoint="/b"), served(STABLE, 40)
    )
    own = a_minute(0, served(CANARY, 40, 3, slow=2), served(STABLE, 40))

    users = apart(counted, own)

    assert users.counts == (served(CANARY, 3, 1), served(STABLE, 30, endpoint="/b"))
    assert sum(count.total for count in users.own) == 80


def test_a_source_that_stores_every_tenth_row_has_every_tenth_of_ours():
    """
    Both queries count rows, each by its own sampling: 40 requests are 4 rows of 10.
    """
    counted = a_minute(0, served(CANARY, 10, 1)).model_copy(update={"sampling": 10.0})
    own = a_minute(0, served(CANARY, 40))

    assert apart(counted, own).counts == (served(CANARY, 6, 1),)


def test_an_interval_that_cannot_be_told_apart_judges_nobody():
    """
    Ours as users would make a silent canary look used.
    """
    users = withheld(a_minute(0, served(CANARY, 43, 4), served(STABLE, 40)))

    assert users.counts == ()
    assert users.unattributed == 83
    assert "none was recognised" in users.query


def test_an_interval_of_an_older_ledger_holds_users_only():
    """
    Neither mark nor own counts were known then.
    """
    body = a_minute(0, served(CANARY, 3)).model_dump(mode="json", exclude={"own", "synthetic"})

    assert Minute.model_validate(body) == a_minute(0, served(CANARY, 3))
