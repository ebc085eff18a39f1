"""Sessions and the sync of the sample service, past what the validation tests ask."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest

pytestmark = pytest.mark.patient

SPRING = {"manufacturer": "Acme", "partNumber": "A-1", "d": 2.0, "D": 20.0, "n": 8, "units": "mm"}


@pytest.fixture(scope="module")
def worker(serve):
    return serve("0.1.12")


def change(record_id="offline-1", *, n=8, age=60, **more):
    moment = datetime.now(UTC) - timedelta(seconds=age)
    return SPRING | {"id": record_id, "n": n, "updatedAt": moment.isoformat(), **more}


def exchange(client, *changes, since=0):
    answer = client.post("/api/sync", json={"since": since, "changes": list(changes)})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_tokens_of_one_version_are_good_for_the_other(serve, worker):
    """
    During a split every second request of a client reaches the other version.
    """
    stable = serve("0.1.11")

    with stable.session() as client:
        answer = worker.client().get("/api/calculations", headers=client.headers)

    assert answer.status_code == 200


def test_a_token_of_staging_is_none_of_production(serve, worker):
    """
    Each environment signs with its own secret.
    """
    with serve("0.1.12", environment="staging").session() as client:
        answer = worker.client().get("/api/calculations", headers=client.headers)

    assert answer.status_code == 401


@pytest.mark.parametrize("body", [{"ttl": 0}, {"ttl": 901}, {"ttl": "9"}, {"clientId": "a"}, {"clientId": 1}])
def test_a_session_with_wrong_wishes_is_refused(worker, body):
    """
    A token must stay short-lived and an owner well-formed.
    """
    assert worker.client().post("/api/sessions", json=body).status_code == 400


@pytest.mark.parametrize("token", ["", "x", "x.y", ".", "é", "e30.e30"])
def test_a_broken_token_is_401_not_500(worker, token):
    """
    What a stranger sends must not be able to break the service.
    """
    headers = {"Authorization": f"Bearer {token}".strip().encode("latin-1")}

    assert worker.client().get("/api/calculations", headers=headers).status_code == 401


def test_every_order_of_arrival_ends_the_same(worker):
    """
    Last write wins must not depend on which device syncs first, equal times included.
    """
    edits = [change(n=5, age=30), change(n=6, age=20), change(n=7, age=20)]
    edits[2]["updatedAt"] = edits[1]["updatedAt"]

    ends = set()
    for order in itertools.permutations(edits):
        with worker.session() as client:
            for edit in order:
                exchange(client, edit)
            ends.add(client.get("/api/calculations/offline-1").json()["n"])

    assert len(ends) == 1
    assert ends <= {6, 7}


def test_a_conflict_names_its_winner(worker):
    """
    The client must be able to tell its user that an edit was lost, or won.
    """
    with worker.session() as client:
        exchange(client, change(n=5, age=30))
        lost = exchange(client, change(n=6, age=60))
        won = exchange(client, change(n=7, age=10))

    assert [item["winner"] for item in lost["conflicts"]] == ["server"]
    assert lost["applied"] == []
    assert [item["winner"] for item in won["conflicts"]] == ["client"]
    assert won["applied"] == ["offline-1"]


def test_a_change_made_on_what_one_has_seen_is_no_conflict(worker):
    """
    An edit on top of the newest state is simply the next edit.
    """
    with worker.session() as client:
        first = exchange(client, change(n=5, age=30))

        second = exchange(client, change(n=6, age=10), since=first["cursor"])

    assert second["conflicts"] == []
    assert second["applied"] == ["offline-1"]


def test_the_same_change_twice_does_nothing(worker):
    """
    A client repeats a sync whose answer it lost.
    """
    edit = change(n=5)
    with worker.session() as client:
        first = exchange(client, edit)
        again = exchange(client, edit)

    assert again["conflicts"] == []
    assert again["applied"] == []
    assert again["cursor"] == first["cursor"]


def test_a_deletion_travels(worker):
    """
    Without tombstones a deleted calculation would come back from another device.
    """
    with worker.session() as client:
        exchange(client, change(age=30))

        answer = exchange(client, change(age=10, deleted=True))

        assert answer["changes"][-1]["deleted"] is True
        assert client.get("/api/calculations/offline-1").status_code == 404


@pytest.mark.parametrize(
    "changes",
    [
        "all",
        [change()] * 2,
        [change(f"offline-{n}") for n in range(100)],
        [change(updatedAt="yesterday")],
        [change(updatedAt="2026-02-17T02:00:00")],
        [change(age=-3600)],
        [change(updatedAt=None)],
        [change(d=0)],
        [7],
    ],
)
def test_wrong_changes_are_refused_as_a_whole(worker, changes):
    """
    A sync is applied completely or not at all, and a clock far ahead may not win for ever.
    """
    with worker.session() as client:
        answer = client.post("/api/sync", json={"since": 0, "changes": changes})

        assert answer.status_code == 400
        assert client.get("/api/sync").json()["changes"] == []
