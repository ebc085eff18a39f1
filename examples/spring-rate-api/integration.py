"""
The runbook's validation tests, against the service at ``STAGING_URL``.

Prints ``ok <key>`` or ``FAILED <key>: why`` for each check, exits 0 when all passed and 1
otherwise (2 when ``STAGING_URL`` is no URL). ``--json FILE`` also writes the results:
``{"url", "passed", "checks": [{"key", "passed", "detail", "seconds"}]}``.
"""

import argparse
import json
import os
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

SPRING = {"manufacturer": "Acme", "partNumber": "IT-1", "d": 2.0, "D": 20.0, "n": 8, "units": "mm"}
RATE = 2.478125
TIMEOUT_SECONDS = 10
HEALTH_LIMIT_SECONDS = 1.0


class CheckFailed(Exception):
    """The service did not do what the check expects."""


@dataclass(frozen=True)
class Result:
    """What one check found."""

    key: str
    passed: bool
    detail: str
    seconds: float


class Service:
    """The service under test; every instance is a client of its own, with its own data."""

    def __init__(self, url: str, *, client_id: str = "", ttl: int | None = None) -> None:
        self.http = open_client(url)
        body = {"clientId": client_id or str(uuid.uuid4())} | ({"ttl": ttl} if ttl else {})
        self.session = self.expect(201, "POST", "/api/sessions", json=body)
        self._use(self.session["token"])

    def __enter__(self) -> "Service":
        return self

    def __exit__(self, *exc: object) -> None:
        self.http.close()

    def expect(self, status: int, method: str, path: str, **options: Any) -> Any:
        """Call the service; the JSON of the answer when it has the expected status."""
        response = self.http.request(method, path, **options)
        if response.status_code != status:
            raise CheckFailed(
                f"{method} {path} answered {response.status_code}, not {status}: {response.text[:200]}"
            )
        return response.json() if response.content else None

    def create(self, **changes: Any) -> Any:
        """Make one calculation."""
        return self.expect(201, "POST", "/api/calculations", json=SPRING | changes)

    def sync(self, *changes: dict[str, Any], since: int = 0) -> Any:
        """One exchange."""
        return self.expect(200, "POST", "/api/sync", json={"since": since, "changes": list(changes)})

    def refresh(self) -> None:
        """Spend the refresh token and go on with the new pair."""
        spent = {"refreshToken": self.session["refreshToken"]}
        self.session = self.expect(200, "POST", "/api/sessions/refresh", json=spent)
        self._use(self.session["token"])

    def _use(self, token: str) -> None:
        self.http.headers["Authorization"] = f"Bearer {token}"


def open_client(url: str) -> httpx.Client:
    """A client of *url*; ``*.localhost`` is loopback whatever the resolver says (RFC 6761)."""
    parsed = httpx.URL(url)
    if not parsed.host.endswith(".localhost"):
        return httpx.Client(base_url=parsed, timeout=TIMEOUT_SECONDS)
    headers = {"Host": parsed.netloc.decode("ascii")}
    return httpx.Client(base_url=parsed.copy_with(host="127.0.0.1"), headers=headers, timeout=TIMEOUT_SECONDS)


def require(condition: bool, otherwise: str) -> None:
    """Fail the check unless the condition holds."""
    if not condition:
        raise CheckFailed(otherwise)


def health(url: str) -> None:
    """``GET /health`` has the runbook's fields, says "healthy", and does so within a second."""
    with open_client(url) as client:
        started = time.monotonic()
        response = client.get("/health")
        seconds = time.monotonic() - started
    require(response.status_code == 200, f"answered {response.status_code}: {response.text[:200]}")
    require(seconds <= HEALTH_LIMIT_SECONDS, f"took {seconds * 1000:.0f} ms, the limit is 1000 ms")
    body = response.json()
    missing = {"status", "timestamp", "version", "checks"} - body.keys()
    require(not missing, f"lacks {', '.join(sorted(missing))}")
    require(body["status"] == "healthy", f"says {body['status']!r}")
    require(body["checks"] == {"assets": True, "database": True}, f"checks are {body['checks']}")
    require(datetime.fromisoformat(body["timestamp"]).tzinfo is not None, "the timestamp has no zone")


def crud_create(url: str) -> None:
    """A created calculation comes back with its rate; a wrong one is refused."""
    with Service(url) as service:
        made = service.create()
        require(abs(made["k"] - RATE) < 1e-6, f"k is {made['k']}, not {RATE}")
        service.expect(400, "POST", "/api/calculations", json=SPRING | {"d": -1})


def crud_read(url: str) -> None:
    """A calculation is found by its id and in the list, by its owner alone."""
    with Service(url) as service, Service(url) as stranger:
        made = service.create()
        found = service.expect(200, "GET", f"/api/calculations/{made['id']}")
        listed = service.expect(200, "GET", "/api/calculations")
        require(found == made, f"read {found}, wrote {made}")
        require(listed["items"] == [made], f"the list holds {listed['items']}")
        stranger.expect(404, "GET", f"/api/calculations/{made['id']}")


def crud_update(url: str) -> None:
    """An update changes the rate; one made from a stale version is refused."""
    with Service(url) as service:
        made = service.create()
        path, change = f"/api/calculations/{made['id']}", SPRING | {"n": 4, "version": made["version"]}
        updated = service.expect(200, "PUT", path, json=change)
        require(abs(updated["k"] - 2 * RATE) < 1e-6, f"k is {updated['k']} after n was halved")
        service.expect(409, "PUT", path, json=change)


def crud_delete(url: str) -> None:
    """A deleted calculation is gone from both reads."""
    with Service(url) as service:
        path = f"/api/calculations/{service.create()['id']}"
        service.expect(204, "DELETE", path)
        service.expect(404, "GET", path)
        require(service.expect(200, "GET", "/api/calculations")["total"] == 0, "it is still listed")


def sync_up(url: str) -> None:
    """What a client made offline arrives at the server."""
    with Service(url) as service:
        change = _offline_change()
        answer = service.sync(change)
        require(answer["applied"] == [change["id"]], f"applied is {answer['applied']}")
        stored = service.expect(200, "GET", f"/api/calculations/{change['id']}")
        require(abs(stored["k"] - RATE) < 1e-6, f"k is {stored['k']}, not {RATE}")


def sync_down(url: str) -> None:
    """What one device did, deletions too, reaches the other, and only once."""
    client_id = str(uuid.uuid4())
    with Service(url, client_id=client_id) as phone, Service(url, client_id=client_id) as desk:
        kept, dropped = phone.create(), phone.create()
        phone.expect(204, "DELETE", f"/api/calculations/{dropped['id']}")
        answer = desk.expect(200, "GET", "/api/sync?since=0")
        seen = {change["id"]: change["deleted"] for change in answer["changes"]}
        require(seen == {kept["id"]: False, dropped["id"]: True}, f"the other device saw {seen}")
        again = desk.expect(200, "GET", f"/api/sync?since={answer['cursor']}")
        require(again["changes"] == [], "changes came a second time")


def sync_conflict(url: str) -> None:
    """Of two offline edits the later one wins, whichever arrives first, and the loser is told."""
    client_id = str(uuid.uuid4())
    with Service(url, client_id=client_id) as phone, Service(url, client_id=client_id) as desk:
        older, newer = _offline_change(n=5, age=60), _offline_change(n=6, age=30)
        newer["id"] = older["id"]
        phone.sync(newer)
        answer = desk.sync(older)
        winners = [conflict["winner"] for conflict in answer["conflicts"]]
        require(winners == ["server"], f"conflicts are {answer['conflicts']}")
        stored = desk.expect(200, "GET", f"/api/calculations/{older['id']}")
        require(stored["n"] == 6, f"the older edit won: n is {stored['n']}")


def auth_401(url: str) -> None:
    """Nobody gets in without a token of ours."""
    with Service(url) as service:
        forged = service.session["token"][:-4] + "AAAA"
        for value in ("", "Bearer nonsense", f"Bearer {forged}", "Basic dXNlcjpwYXNz"):
            response = service.http.get("/api/calculations", headers={"Authorization": value})
            require(response.status_code == 401, f"{value[:6]!r}… was answered {response.status_code}")
            require("www-authenticate" in response.headers, "the 401 has no WWW-Authenticate")


def auth_expiry(url: str) -> None:
    """A token works until it expires, and not after."""
    with Service(url, ttl=2) as service:
        service.expect(200, "GET", "/api/calculations")
        deadline = time.monotonic() + 6
        while time.monotonic() < deadline:
            response = service.http.get("/api/calculations")
            if response.status_code == 401:
                code = response.json()["error"]["code"]
                return require(code == "token-expired", f"the 401 says {code!r}")
            time.sleep(0.2)
    raise CheckFailed("a token of 2 seconds still worked after 6")


def auth_refresh(url: str) -> None:
    """A refresh token gives a new pair once; a revoked one gives nothing."""
    with Service(url) as service:
        made = service.create()
        spent = service.session["refreshToken"]
        service.refresh()
        service.expect(200, "GET", f"/api/calculations/{made['id']}")
        service.expect(401, "POST", "/api/sessions/refresh", json={"refreshToken": spent})
        current = {"refreshToken": service.session["refreshToken"]}
        service.expect(204, "DELETE", "/api/sessions", json=current)
        service.expect(401, "POST", "/api/sessions/refresh", json=current)


CHECKS: dict[str, Callable[[str], None]] = {
    check.__name__.replace("_", "-"): check
    for check in (
        health,
        crud_create,
        crud_read,
        crud_update,
        crud_delete,
        sync_up,
        sync_down,
        sync_conflict,
        auth_401,
        auth_expiry,
        auth_refresh,
    )
}


def run_check(key: str, url: str) -> Result:
    """Run one check; an answer of the wrong shape is a failure, not a crash."""
    started = time.monotonic()
    try:
        CHECKS[key](url)
        detail = ""
    except CheckFailed as error:
        detail = str(error)
    except (httpx.HTTPError, ValueError, LookupError, TypeError, AttributeError) as error:
        detail = f"{type(error).__name__}: {error}"
    return Result(key, not detail, detail, round(time.monotonic() - started, 3))


def _offline_change(*, n: int = 8, age: int = 60) -> dict[str, Any]:
    moment = datetime.now(UTC) - timedelta(seconds=age)
    return SPRING | {"id": str(uuid.uuid4()), "n": n, "updatedAt": moment.isoformat()}


def main(arguments: list[str] | None = None) -> int:
    """Run every check and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results here")
    parser.add_argument("--only", choices=tuple(CHECKS), action="append", help="run this check alone")
    options = parser.parse_args(arguments)
    url = os.environ.get("STAGING_URL", "")
    if not url.startswith(("http://", "https://")):
        print("STAGING_URL must be the http(s) URL of the service to test", file=sys.stderr)
        return 2
    results = []
    for key in options.only or CHECKS:
        result = run_check(key, url)
        print(f"ok {key}" if result.passed else f"FAILED {key}: {result.detail}", flush=True)
        results.append(result)
    passed = all(result.passed for result in results)
    if options.json:
        report = {"url": url, "passed": passed, "checks": [asdict(result) for result in results]}
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
