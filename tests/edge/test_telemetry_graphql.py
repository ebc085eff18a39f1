"""GraphQL analytics: the second source, and what it cannot see."""

from datetime import UTC, datetime, timedelta

import pytest
from edge_caller import serving

from phasegate.edge.graphql_syntax import GraphQLError, parse

QUERY = """
query Invocations($account: String!, $from: Time!, $to: Time!, $versions: [String!]) {
  viewer { accounts(filter: {accountTag: $account}) {
    # one row for each version and status
    rows: workersInvocationsAdaptive(limit: 100, orderBy: [status_ASC], filter: {
      scriptName: "demo", scriptVersion_in: $versions, datetime_geq: $from, datetime_leq: $to}) {
      dimensions { scriptVersion status }
      sum { requests errors subrequests }
      quantiles { wallTimeP50 wallTimeP95 }
      avg { sampleInterval }
    } } } }
"""


async def ask(api, query=QUERY, **variables):
    """The answer to *query* over the last minute."""
    now = datetime.now(UTC)
    defaults = {
        "account": api.edge.account_id,
        "from": (now - timedelta(minutes=1)).isoformat(),
        "to": now.isoformat(),
    }
    response = await api.http.post("/graphql", json={"query": query, "variables": defaults | variables})
    assert response.status_code == 200
    return response.json()


async def test_a_returned_500_is_no_error(api):
    """
    `errors` counts failed invocations only: a gate on it alone would promote this version.
    """
    version = await api.create()
    await api.visit("/", "/bad", "/bad", "/throw")

    answer = await ask(api, versions=[version])

    threw, fine = answer["data"]["viewer"]["accounts"][0]["rows"]
    assert threw["dimensions"] == {"scriptVersion": version, "status": "scriptThrewException"}
    assert threw["sum"] == {"requests": 1, "errors": 1, "subrequests": 0}
    assert fine["dimensions"]["status"] == "success"
    assert fine["sum"] == {"requests": 3, "errors": 0, "subrequests": 0}
    assert fine["avg"] == {"sampleInterval": 1}
    assert answer["errors"] is None


async def test_durations_are_microseconds(api):
    """
    The two sources differ by a factor of a thousand.
    """
    version = await api.create()
    await api.visit("/")
    (median,) = await api.query(calculations=[{"operator": "max", "key": "$workers.wallTimeMs"}])

    answer = await ask(api, versions=[version])

    (row,) = answer["data"]["viewer"]["accounts"][0]["rows"]
    assert row["quantiles"]["wallTimeP95"] == pytest.approx(median["aggregates"][0]["value"] * 1000)


async def test_it_may_lag_behind_the_telemetry():
    """
    Cloudflare's last two minutes read low.
    """
    async with serving(graphql_lag=timedelta(seconds=60)) as api:
        version = await api.create()
        await api.visit("/")

        answer = await ask(api, versions=[version])
        (counted,) = await api.query()

    assert answer["data"]["viewer"]["accounts"][0]["rows"] == []
    assert counted["aggregates"][0]["value"] == 1


async def test_clients_may_ask_for_the_known_quantiles(api):
    """
    P95 is new, so clients look before they ask.
    """
    query = '{ __type(name: "AccountWorkersInvocationsAdaptiveQuantiles") { name fields { name } } }'

    answer = await ask(api, query)

    names = [field["name"] for field in answer["data"]["__type"]["fields"]]
    assert {"wallTimeP50", "wallTimeP95", "cpuTimeP999"} <= set(names)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("requests errors", "requests pages"), "unknown field 'pages'"),
        (("scriptVersion status", "clientRequestPath status"), "unknown field 'clientRequestPath'"),
        (("datetime_geq: $from", "host: 1"), "unknown filter host"),
        (("accountTag: $account", 'accountTag: "x"'), "not authorized"),
        (("limit: 100", "limit: 0"), "limit is 0"),
        (("$account: String!", "$other: String!"), "$other is required"),
        (("query Invocations", "mutation Invocations"), "mutation is not served"),
        (("rows: workersInvocationsAdaptive", "...fragment"), "fragments are not served"),
        (("} } } }", "} } }"), "ends too early"),
        (("$from, datetime_leq", '"yesterday", datetime_leq'), "ISO 8601"),
    ],
)
async def test_a_wrong_query_is_told_in_graphqls_shape(api, change, told):
    """
    The status is 200, the data null, and the words say what is allowed.
    """
    answer = await ask(api, QUERY.replace(*change))

    assert answer["data"] is None
    assert told in answer["errors"][0]["message"]


def test_values_of_every_kind_are_read():
    """
    Lists, objects, numbers, texts, enums and variables with defaults.
    """
    text = 'query ($n: Int = 3) { f(a: [1, -2.5e1], b: {c: "q\\"é", d: true, e: null}, g: X_ASC, n: $n) }'

    (field,) = parse(text, {})

    assert field.arguments == {
        "a": [1, -25.0],
        "b": {"c": 'q"é', "d": True, "e": None},
        "g": "X_ASC",
        "n": 3,
    }


@pytest.mark.parametrize("text", ["", "{", "{}", "{a(b:)}", "{a} {b}", "{a(b: $c)}", "?", "{a" * 100])
def test_what_is_no_query_is_refused(text):
    """
    A parser of foreign text ends with an error of its own.
    """
    with pytest.raises(GraphQLError):
        parse(text, {})
