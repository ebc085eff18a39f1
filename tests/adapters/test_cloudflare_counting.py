"""From groups of the telemetry query to counts: what is folded, divided and kept."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasegate.adapters.cloudflare.counting import Interval, Leftovers, counts_of, told_by_each, unattributed
from phasegate.adapters.cloudflare.endpoints import endpoint
from phasegate.adapters.cloudflare.queries import STATUS, Sums, sums
from phasegate.adapters.cloudflare.wire import QueryResult


def some(groups, *, sampling=1.0):
    return Sums(groups=groups, sampling=sampling)


def only(counts):
    assert len(counts) == 1
    return counts[0]


@pytest.mark.parametrize(
    ("path", "folded"),
    [
        ("/", "/"),
        ("/health?deep=1", "/health"),
        ("/api/calculations/123", "/api/calculations/:id"),
        ("/api/calculations/123/steps/4", "/api/calculations/:id/steps/:id"),
        ("/u/3f2504e0-4f89-11d3-9a0c-0305e82c3301", "/u/:id"),
        ("/u/3F2504E04F8911D39A0C0305E82C3301/x", "/u/:id/x"),
        ("/o/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/o/:id"),
        ("/t/eyJhbGciOiJIUzI1NiJ9abc", "/t/:id"),
        ("/api/v1/calculations/summary", "/api/v1/calculations/summary"),
        ("/api/internationalization-settings", "/api/internationalization-settings"),
        ("/facade/deadbeef", "/facade/deadbeef"),
    ],
)
def test_an_identifier_in_a_path_is_folded(path, folded):
    """
    Otherwise every record would be an endpoint of its own, with one request each.
    """
    assert endpoint("GET", path) == f"GET {folded}"


@pytest.mark.parametrize(
    ("status", "outcome", "errors"),
    [
        ("200", "ok", 0),
        ("499", "canceled", 0),
        ("404", "ok", 0),
        ("500", "ok", 1),
        ("503", "canceled", 1),
        ("200", "exceededCpu", 1),
        ("500", "exception", 1),
    ],
)
def test_an_error_is_a_5xx_or_an_invocation_that_did_not_end_well(status, outcome, errors):
    """
    A returned 500 has outcome ok, a thrown exception may have no status: both count.
    """
    answers = some({("v1", "GET", "/", status, outcome): 1.0})

    counts = counts_of(Interval(total=some({(): 1.0}), answers=answers, slow={}))

    assert only(counts).errors == errors


def test_estimates_are_divided_by_the_sampling():
    """
    1,000 estimated from 100 stored rows are evidence of 100 requests, not of 1,000.
    """
    interval = Interval(
        total=some({(): 1000.0}, sampling=10.0),
        answers=some(
            {("v1", "GET", "/", "200", "ok"): 900.0, ("v1", "GET", "/", "500", "ok"): 100.0}, sampling=10.0
        ),
        slow={500: some({("v1", "GET", "/"): 50.0}, sampling=5.0)},
    )

    count = only(counts_of(interval))

    assert (count.total, count.errors, count.slow) == (100, 10, ((500, 5),))


def test_one_divisor_holds_for_both_versions():
    """
    Sampling that differs between the arms would otherwise look like a difference of the versions.
    """
    interval = Interval(
        total=some({(): 1000.0}, sampling=4.0),
        answers=some({("v1", "GET", "/", "200", "ok"): 900.0, ("v2", "GET", "/", "200", "ok"): 100.0}),
        slow={},
    )

    counts = counts_of(interval)

    assert [(count.version, count.total) for count in counts] == [("v1", 225), ("v2", 25)]


def test_a_throw_without_an_answer_is_found_through_fewer_keys():
    """
    No status means no group; a version that crashes on every request must not look idle.
    """
    interval = Interval(
        total=some({(): 110.0}),
        answers=some({("v1", "GET", "/", "200", "ok"): 90.0, ("v2", "GET", "/", "200", "ok"): 2.0}),
        slow={500: some({("v2", "GET", "/"): 1.0})},
        left=Leftovers(
            outcomes=some({("v1", "ok"): 90.0, ("v2", "ok"): 2.0, ("v2", "exception"): 8.0}),
            failed=some({}),
            slow={500: some({("v2",): 4.0})},
        ),
    )

    counts = {(count.version, count.endpoint): count for count in counts_of(interval)}

    rest = counts["v2", "(other)"]
    assert (rest.total, rest.errors, rest.slow) == (8, 8, ((500, 3),))
    assert ("v1", "(other)") not in counts
    assert unattributed(interval, tuple(counts.values())) == 10


def test_endpoints_beyond_the_longest_answer_keep_their_version_and_errors():
    """
    At most 2,000 groups come back; what is cut off is still judged.
    """
    interval = Interval(
        total=some({(): 100.0}),
        answers=some({("v1", "GET", "/a", "500", "ok"): 1.0, ("v1", "GET", "/b", "200", "ok"): 59.0}),
        slow={},
        left=Leftovers(
            outcomes=some({("v1", "ok"): 100.0}),
            failed=some({("v1", "ok"): 5.0}),
            slow={},
        ),
    )

    rest = next(count for count in counts_of(interval) if count.endpoint == "(other)")

    assert (rest.total, rest.errors) == (40, 4)


def test_a_slow_answer_of_an_endpoint_that_was_cut_off_is_kept():
    """
    The queries are cut off at different groups; what one lost, another may have named.
    """
    interval = Interval(
        total=some({(): 10.0}),
        answers=some({("v1", "GET", "/a", "200", "ok"): 7.0}),
        slow={500: some({("v1", "GET", "/slow"): 2.0})},
        left=Leftovers(
            outcomes=some({("v1", "ok"): 10.0}), failed=some({}), slow={500: some({("v1",): 2.0})}
        ),
    )

    counts = counts_of(interval)

    assert [(c.endpoint, c.total, c.slow) for c in counts] == [
        ("(other)", 3, ((500, 2),)),
        ("GET /a", 7, ((500, 0),)),
    ]


def test_rows_without_a_version_are_counted_and_never_given_to_one():
    """
    Guessing would let one version answer for another.
    """
    interval = Interval(
        total=some({(): 30.0}),
        answers=some({("", "GET", "/", "500", "ok"): 10.0, ("v1", "GET", "/", "200", "ok"): 15.0}),
        slow={},
        left=Leftovers(outcomes=some({("v1", "ok"): 15.0}), failed=some({}), slow={}),
    )

    counts = counts_of(interval)

    assert [(count.version, count.total, count.errors) for count in counts] == [("v1", 15, 0)]
    assert unattributed(interval, counts) == 15


def test_silence_is_no_counts():
    """
    Nobody served is neither healthy nor harmful.
    """
    interval = Interval(total=some({}), answers=some({}), slow={500: some({})})

    assert counts_of(interval) == ()
    assert not interval.incomplete


def test_a_status_is_the_same_number_however_json_writes_it():
    """
    500 and 500.0 are one status.
    """
    aggregate = {"value": 3, "groups": [{"key": STATUS, "value": 500.0}]}
    result = QueryResult.model_validate({"calculations": [{"aggregates": [aggregate]}]})

    assert sums(result, (STATUS,)).groups == {("500",): 3.0}


GROUPS = st.dictionaries(
    st.tuples(
        st.sampled_from(["v1", "v2"]),
        st.just("GET"),
        st.sampled_from(["/a", "/b"]),
        st.sampled_from(["200", "500"]),
        st.just("ok"),
    ),
    st.integers(1, 10**6),
    min_size=1,
)


@given(GROUPS, st.sampled_from([2, 4, 10, 100]))
def test_scaling_by_a_sampling_factor_is_undone(groups, factor):
    """
    An estimate made of one row in so many is no more evidence than the rows that are stored.
    """

    def counted(times):
        scaled = {key: float(events * times) for key, events in groups.items()}
        answers = some(scaled, sampling=float(times))
        total = some({(): sum(scaled.values())}, sampling=float(times))
        return counts_of(Interval(total=total, answers=answers, slow={}))

    assert counted(factor) == counted(1)


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["v1", "v2"]),
        st.just("GET"),
        st.sampled_from(["/a", "/b"]),
        st.sampled_from(["200", "500"]),
        st.sampled_from(["ok", "exception"]),
        st.sampled_from([1.0, 60.0, 60.5, 2500.0]),
    ),
    max_size=30,
)


@given(EVENTS, st.sampled_from([1.0, 10.0]))
def test_groups_by_wall_time_tell_what_a_query_for_each_cut_tells(events, sampling):
    """
    Two queries or twenty: the judge must not see a difference.
    """
    cuts = (60, 2000)

    def grouped(chosen, keys):
        return some({key: sampling * n for key, n in Counter(map(keys, chosen)).items()}, sampling=sampling)

    total = some({(): sampling * len(events)}, sampling=sampling)
    slow = {cut: grouped([one for one in events if one[-1] > cut], lambda one: one[:3]) for cut in cuts}
    by_cut = Interval(total=total, answers=grouped(events, lambda one: one[:5]), slow=slow)
    told = told_by_each(total, grouped(events, lambda one: (*one[:5], f"{one[5]:g}")), cuts)

    assert told is not None
    assert counts_of(told) == counts_of(by_cut)
    assert told_by_each(some({(): sampling * (len(events) + 1)}), grouped(events[:0], str), cuts) is None
