"""The rules of routing, without a wire."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasegate.edge.routing import Route, SmoothSplit, first_label, parse_overrides, preview_of, sticky

STABLE, CANARY = "11111111-aaaa", "22222222-bbbb"
KEYS = st.text(min_size=1, max_size=40)
PERCENT = st.floats(min_value=0, max_value=100, allow_nan=False)


@given(KEYS, PERCENT, PERCENT)
def test_a_key_on_the_canary_stays_while_its_share_grows(key: str, one: float, other: float):
    """
    Growth moves users to the new version only, whatever order the versions are named in.
    """
    small, large = sorted((one, other))

    before = sticky(key, ((CANARY, small), (STABLE, 100 - small)))
    after = sticky(key, ((STABLE, 100 - large), (CANARY, large)))

    assert before == STABLE or after == CANARY


@given(KEYS)
def test_no_key_reaches_a_version_without_a_share(key: str):
    """
    0 % means nobody, and 100 % everybody.
    """
    assert sticky(key, ((STABLE, 100), (CANARY, 0))) == STABLE
    assert sticky(key, ((STABLE, 0), (CANARY, 100))) == CANARY


def test_keys_spread_as_the_split_says():
    """
    10,000 keys: five standard deviations are 1.5 points.
    """
    answered = Counter(sticky(f"user-{user}", ((STABLE, 90), (CANARY, 10))) for user in range(10_000))

    assert answered[CANARY] == pytest.approx(1000, abs=150)


@given(
    st.integers(min_value=0, max_value=100_000), st.integers(min_value=0, max_value=150), st.integers(1, 150)
)
def test_any_run_of_requests_has_its_share_to_one_request(milli: int, skipped: int, length: int):
    """
    Not only from the start: a window of a metric begins anywhere.
    """
    share = milli / 1000
    split = SmoothSplit(((STABLE, 100 - share), (CANARY, share)))
    for _ in range(skipped):
        split.next()

    answered = Counter(split.next() for _ in range(length))

    assert abs(answered[CANARY] - length * share / 100) <= 1 + 1e-6


def test_setting_the_same_split_again_does_not_starve_the_canary():
    """
    A control plane that writes before every fifth request must not keep the canary from its turn.
    """
    route = Route()
    answered: Counter[str | None] = Counter()
    for request in range(1000):
        if request % 5 == 0:
            route.change(((STABLE, 90.0), (CANARY, 10.0)), now=0)
        answered[route.pick(wanted=None, key=None, now=0)] += 1

    assert answered[CANARY] == 100


def test_changes_on_their_way_arrive_in_order():
    """
    Each at its own time.
    """
    route = Route()
    route.change(((STABLE, 100.0),), now=0)
    route.lag = 10
    route.change(((STABLE, 90.0), (CANARY, 10.0)), now=1)
    route.change(((CANARY, 100.0),), now=5)

    assert [len(route.shares(now)) for now in (10.9, 11, 14.9, 15)] == [1, 2, 2, 1]
    assert route.shares(15) == ((CANARY, 100.0),)


def test_a_change_without_lag_overtakes_those_on_their_way():
    """
    A rollback is not undone by a promotion that was still travelling.
    """
    route = Route()
    route.change(((STABLE, 100.0),), now=0)
    route.lag = 10
    route.change(((CANARY, 100.0),), now=1)
    route.lag = 0
    route.change(((STABLE, 100.0),), now=2)

    assert route.shares(100) == ((STABLE, 100.0),)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ('rates="abc"', {"rates": "abc"}),
        ('a="1", rates="2"', {"a": "1", "rates": "2"}),
        ('a="1",\ta="2"', {"a": "2"}),
        ('a="1";q=1;r="x", b', {"a": "1"}),
        ('a=1, b="2"', {"b": "2"}),
        (r'a="x\"y"', {"a": 'x"y'}),
        ('a="1", a=2', {}),
        ("", {}),
        ('rates="abc', {}),
        ('rates="a",', {}),
        ('Rates="a"', {}),
        ('a="1" b="2"', {}),
        ("a=(1 2)", {}),
    ],
)
def test_overrides_are_read_as_a_structured_field(value: str, found: dict[str, str]):
    """
    RFC 8941: what does not parse is ignored as a whole.
    """
    assert parse_overrides(value) == found


@given(st.text(max_size=200))
def test_no_override_header_breaks_the_parser(value: str):
    """
    Anybody may send it.
    """
    assert isinstance(parse_overrides(value), dict)


@pytest.mark.parametrize(
    ("host", "label"),
    [
        ("rates.localhost:8787", "rates"),
        ("RATES.acme.workers.dev", "rates"),
        ("rates", "rates"),
        ("rates.localhost.", "rates"),
        ("localhost:1", None),
        ("127.0.0.1:1", None),
        ("[::1]:1", None),
        ("", None),
    ],
)
def test_the_first_label_names_the_worker(host: str, label: str | None):
    """
    A bare address names none.
    """
    assert first_label(host) == label


def test_a_preview_label_holds_eight_digits_and_a_worker():
    """
    A Worker's own name may hold dashes.
    """
    assert preview_of("1a2b3c4d-my-rates") == ("1a2b3c4d", "my-rates")
    assert preview_of("my-rates") is None
