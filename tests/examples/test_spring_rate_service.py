"""The sample service, version by version: health, calculations, errors."""

import httpx
import pytest

pytestmark = pytest.mark.patient

SPRING = {"manufacturer": "Acme", "partNumber": "A-1", "d": 2.0, "D": 20.0, "n": 8, "units": "mm"}
GOOD_VERSIONS = ("0.1.11", "0.1.12")


@pytest.fixture(scope="module", params=GOOD_VERSIONS)
def worker(serve, request):
    return serve(request.param)


@pytest.fixture
def client(worker):
    with worker.session() as client:
        yield client


def create(client: httpx.Client, **changes: object) -> dict:
    answer = client.post("/api/calculations", json=SPRING | changes)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_health_is_what_the_runbook_expects(worker):
    """
    The runbook names the fields; a probe refuses anything else.
    """
    answer = worker.client().get("/health")

    body = answer.json()
    assert answer.status_code == 200
    assert set(body) == {"status", "timestamp", "version", "checks"}
    assert body["status"] == "healthy"
    assert body["checks"] == {"assets": True, "database": True}
    assert body["timestamp"].endswith("Z")
    assert answer.headers["x-version"] == body["version"]
    assert answer.headers["x-version-id"] == f"id-of-{body['version']}"


def test_health_is_503_without_its_tables(serve):
    """
    A version whose migrations were not applied must not take traffic.
    """
    worker = serve("0.1.12", migrated=False)

    answer = worker.client().get("/health")

    assert answer.status_code == 503
    assert answer.json()["status"] == "unhealthy"
    assert answer.json()["checks"] == {"assets": True, "database": False}


def test_the_rate_follows_the_formula(client):
    """
    k = G d^4 / (8 D^3 n), with music wire's G of 79300 N/mm2.
    """
    made = create(client)

    assert made["k"] == pytest.approx(79_300 * 2**4 / (8 * 20**3 * 8), abs=1e-6)
    assert client.post("/api/calculations/preview", json=SPRING).json()["k"] == made["k"]


def test_inches_give_pounds_per_inch(client):
    """
    The same wire in inches: G is in lbf/in2 then.
    """
    inches = {"units": "in", "d": 0.1, "D": 1.0, "n": 10}

    assert create(client, **inches)["k"] == pytest.approx(14.3768, abs=1e-3)


def test_a_calculation_lives_and_dies(client):
    """
    Create, read, update and delete are the runbook's four operations.
    """
    made = create(client)
    path = f"/api/calculations/{made['id']}"

    updated = client.put(path, json=SPRING | {"n": 4, "version": made["version"]})
    read = client.get(path)
    deleted = client.delete(path)

    assert updated.status_code == 200
    assert updated.json()["k"] == pytest.approx(made["k"] * 2, abs=1e-5)
    assert read.json() == updated.json()
    assert deleted.status_code == 204
    assert client.get(path).status_code == 404
    assert client.delete(path).status_code == 404


def test_a_stale_update_is_refused(client):
    """
    Of two people who read the same version, the second to write must read again.
    """
    made = create(client)
    path = f"/api/calculations/{made['id']}"
    client.put(path, json=SPRING | {"n": 4, "version": made["version"]})

    second = client.put(path, json=SPRING | {"n": 5, "version": made["version"]})

    assert second.status_code == 409
    assert second.json()["error"]["code"] == "stale-version"
    assert client.get(path).json()["n"] == 4


def test_a_repeated_create_is_harmless(client):
    """
    A client that lost the answer sends again; there must be one calculation, not two.
    """
    first = create(client, id="chosen-by-client")

    again = client.post("/api/calculations", json=SPRING | {"id": "chosen-by-client", "n": 99})

    assert again.status_code == 200
    assert again.json() == first
    assert client.get("/api/calculations").json()["total"] == 1


def test_the_list_comes_in_pages(client):
    """
    Pages are newest first and do not overlap.
    """
    made = [create(client)["id"] for _ in range(5)]

    first = client.get("/api/calculations?limit=3").json()
    rest = client.get("/api/calculations?limit=3&offset=3").json()

    assert first["total"] == rest["total"] == 5
    assert len(first["items"]) == 3
    assert {item["id"] for item in first["items"] + rest["items"]} == set(made)


def test_people_do_not_see_each_other(worker, client):
    """
    A calculation belongs to the client that made it.
    """
    made = create(client)

    with worker.session() as other:
        assert other.get(f"/api/calculations/{made['id']}").status_code == 404
        assert other.get("/api/calculations").json()["total"] == 0


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"d": -1}, "d must be a number"),
        ({"d": "2"}, "d must be a number"),
        ({"n": True}, "n must be a number"),
        ({"n": 10**400}, "n must be a number"),
        ({"D": 1.0}, "D must be larger"),
        ({"units": "ft"}, "units must be one of mm, in"),
        ({"material": "wood"}, "material must be one of"),
        ({"manufacturer": " "}, "manufacturer must be a text"),
        ({"partNumber": "x" * 81}, "partNumber must be a text"),
        ({"id": "short"}, "id must be 8 to 64"),
    ],
)
def test_a_wrong_field_is_named(client, change, word):
    """
    The message says which field is wrong and what is allowed.
    """
    answer = client.post("/api/calculations", json=SPRING | change)

    assert answer.status_code == 400
    assert word in answer.json()["error"]["message"]


@pytest.mark.parametrize("version", [2**53, -(2**53), 10**30])
def test_a_version_that_no_client_can_have_read_is_refused(client, version):
    """
    JavaScript does not keep such a number exactly, and the database does not hold it.
    """
    made = create(client)

    answer = client.put(f"/api/calculations/{made['id']}", json=SPRING | {"version": version})

    assert answer.status_code == 400
    assert "version must be the whole number" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/api/calculations?limit=0000001009999", "limit"),
        ("/api/calculations?offset=0000000010", "offset"),
        ("/api/sync?since=00000000099999999999999999999999", "since"),
    ],
)
def test_a_number_of_too_many_digits_is_refused(client, path, name):
    """
    What was looked at must be what is used.
    """
    answer = client.get(path)

    assert answer.status_code == 400
    assert f"{name} must be a whole number" in answer.json()["error"]["message"]


@pytest.mark.parametrize("body", [b"{", b"[1]", b"\xff", b"[" * 100_000])
def test_a_body_that_is_not_an_object_is_refused(client, body):
    """
    Broken JSON is the client's fault, not a 500.
    """
    assert client.post("/api/calculations", content=body).status_code == 400


def test_a_huge_body_is_refused(client):
    """
    A request must not be able to fill the memory.
    """
    assert client.post("/api/sync", content=b"x" * 600_000).status_code == 413


def test_unknown_paths_and_methods_have_their_answers(client):
    """
    404 and 405 are told apart, and 405 says what is allowed.
    """
    wrong_method = client.patch("/api/calculations")

    assert client.get("/nothing").status_code == 404
    assert wrong_method.status_code == 405
    assert wrong_method.headers["allow"] == "GET, POST"
    assert client.get("/api/calculations?limit=0").status_code == 400


def test_the_page_and_its_service_worker_are_served(worker):
    """
    The manual smoke test loads the application and looks for the service worker.
    """
    client = worker.client()

    assert 'register("/sw.js")' in client.get("/").text
    assert client.get("/sw.js").headers["content-type"] == "text/javascript"


def test_the_summary_counts_by_manufacturer(client):
    """
    The dashboard's one query.
    """
    create(client)
    create(client, n=16)
    create(client, manufacturer="Bolt")

    items = client.get("/api/calculations/summary").json()["items"]

    assert [(item["manufacturer"], item["count"]) for item in items] == [("Acme", 2), ("Bolt", 1)]
    assert items[0]["lowest"] == pytest.approx(items[0]["highest"] / 2, abs=1e-5)


def test_the_new_version_filters_its_list(serve):
    """
    What 0.1.12 is for: the list of one manufacturer, on top of the same answer.
    """
    with serve("0.1.12").session() as client:
        create(client)
        create(client, manufacturer="Bolt")

        page = client.get("/api/calculations?manufacturer=Bolt").json()

    assert page["total"] == 1
    assert [item["manufacturer"] for item in page["items"]] == ["Bolt"]
