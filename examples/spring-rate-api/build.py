"""
Builds bundles of the spring rate API, and applies its migrations.

A bundle is a directory with ``metadata.json`` (Cloudflare's upload metadata for
production), ``metadata.staging.json`` (the same with staging's bindings) and
``modules/``: both environments get the same bytes.
"""

import argparse
import json
import os
import secrets
import shutil
import sys
from pathlib import Path
from typing import Any

import httpx

HERE = Path(__file__).resolve().parent
COMPATIBILITY_DATE = "2026-02-15"
MAIN_MODULE = "entry.py"
# Each version is the service's modules with those of the named directories laid over them, in order.
LAYERS: dict[str, tuple[str, ...]] = {
    "0.1.11": (),
    "0.1.12": ("0.1.12",),
} | {
    f"0.1.13-{fault}": ("0.1.12", f"0.1.13-{fault}")
    for fault in ("latency", "errors", "health", "crash", "endpoint", "subtle", "startup")
}
VERSIONS = tuple(LAYERS)


class BuildError(Exception):
    """The bundle cannot be built as asked."""


class MigrationError(Exception):
    """D1 refused a migration; the ones before it stay applied."""


def build(
    version: str,
    out: Path,
    *,
    database_id: str,
    staging_database_id: str | None = None,
    session_secret: str | None = None,
    message: str | None = None,
) -> Path:
    """
    Write the bundle of *version* to ``out/<version>`` and return that directory.

    Without *session_secret* one is made on first use and kept in ``out`` (mode 0600), one
    for each environment, because versions that share traffic must accept each other's tokens.
    """
    if version not in LAYERS:
        raise BuildError(f"no version {version!r}; there are {', '.join(VERSIONS)}")
    target = out / version
    shutil.rmtree(target, ignore_errors=True)
    _write_modules(version, target / "modules")
    databases = {"production": database_id} | (
        {"staging": staging_database_id} if staging_database_id else {}
    )
    for environment, database in databases.items():
        secret = session_secret or _kept_secret(out / f".session-secret.{environment}")
        bindings = _bindings(version, environment, database_id=database, session_secret=secret)
        name = "metadata.json" if environment == "production" else f"metadata.{environment}.json"
        _write_private(target / name, json.dumps(_metadata(version, bindings, message), indent=2) + "\n")
    return target


def _write_modules(version: str, modules: Path) -> None:
    modules.mkdir(parents=True)
    for layer in (HERE / "service", *(HERE / "versions" / name for name in LAYERS[version])):
        for source in sorted(layer.glob("*.py")):
            shutil.copyfile(source, modules / source.name)


def _metadata(version: str, bindings: list[dict[str, str]], message: str | None) -> dict[str, Any]:
    return {
        "main_module": MAIN_MODULE,
        "compatibility_date": COMPATIBILITY_DATE,
        "compatibility_flags": ["python_workers"],
        "bindings": bindings,
        "annotations": {
            "workers/tag": version,
            "workers/message": message or f"spring-rate-api {version}",
        },
    }


def _bindings(
    version: str, environment: str, *, database_id: str, session_secret: str
) -> list[dict[str, str]]:
    return [
        {"name": "ENVIRONMENT", "type": "plain_text", "text": environment},
        {"name": "VERSION", "type": "plain_text", "text": version},
        {"name": "SESSION_SECRET", "type": "secret_text", "text": session_secret},
        {"name": "CF_VERSION_METADATA", "type": "version_metadata"},
        {"name": "DB", "type": "d1", "id": database_id},
    ]


def _kept_secret(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        _write_private(path, secrets.token_urlsafe(32))
    return path.read_text()


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def apply_migrations(
    api_url: str, account: str, token: str, database_id: str, *, directory: Path = HERE / "migrations"
) -> tuple[str, ...]:
    """
    Apply the migrations that the database lacks; the names of those applied.

    *api_url* is Cloudflare's ``…/client/v4`` or the local edge's. As wrangler does: the names are
    kept in ``d1_migrations``, and a file and its name are one request, so one transaction.
    """
    url = f"{api_url.rstrip('/')}/accounts/{account}/d1/database/{database_id}/query"
    # The local edge has no certificate to verify, and to be ready for one takes 25 ms.
    verify = url.startswith("https:")
    with httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=30, verify=verify) as client:
        _query(client, url, _CREATE)
        done = {row["name"] for row in _query(client, url, "SELECT name FROM d1_migrations ORDER BY id")}
        pending = tuple(file for file in sorted(directory.glob("*.sql")) if file.name not in done)
        for file in pending:
            sql = f"{file.read_text()}\nINSERT INTO d1_migrations (name) VALUES ('{file.name}');"
            _query(client, url, sql)
    return tuple(file.name for file in pending)


_CREATE = (
    "CREATE TABLE IF NOT EXISTS d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, "
    "applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL);"
)


def _query(client: httpx.Client, url: str, sql: str) -> list[dict[str, Any]]:
    what = sql.strip().splitlines()[-1][:80]
    try:
        response = client.post(url, json={"sql": sql})
        answer = response.json()
    except (httpx.HTTPError, ValueError) as error:
        raise MigrationError(f"D1 did not answer at {url} ({what}): {error}") from error
    if not answer.get("success"):
        reasons = "; ".join(f"{each.get('code')}: {each.get('message')}" for each in answer.get("errors", ()))
        raise MigrationError(
            f"D1 refused {what!r} with HTTP {response.status_code}: {reasons or 'no reason'}"
        )
    return list(answer["result"][-1].get("results") or ()) if answer["result"] else []


def main(arguments: list[str] | None = None) -> int:
    """Build one bundle and print where it is."""
    parser = argparse.ArgumentParser(description="Build a bundle of the spring rate API.")
    parser.add_argument("version", choices=VERSIONS)
    parser.add_argument("--out", type=Path, required=True, help="the bundle is written to OUT/<version>")
    parser.add_argument("--database-id", required=True, help="production's D1 database")
    parser.add_argument("--staging-database-id", help="staging's; without it, no staging metadata")
    parser.add_argument("--message", help="the upload's workers/message")
    options = parser.parse_args(arguments)
    bundle = build(
        options.version,
        options.out,
        database_id=options.database_id,
        staging_database_id=options.staging_database_id,
        session_secret=os.environ.get("SPRING_RATE_SESSION_SECRET") or None,
        message=options.message,
    )
    print(bundle)
    return 0


if __name__ == "__main__":
    sys.exit(main())
