"""
Lays out projects of the spring rate API in JavaScript, one for each version.

A project is a directory with ``wrangler.jsonc``: what ``wrangler`` builds, and so what
``phasegate release --bundle`` takes. It holds no secret: ``SESSION_SECRET`` is kept on the Worker.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
FIRST = "0.1.11"
# The databases that ``wrangler.jsonc`` names until there are real ones.
DATABASES = {
    "production": "00000000-0000-4000-8000-000000000001",
    "staging": "00000000-0000-4000-8000-000000000002",
}
# Each version is the service's modules with those of the named directories laid over them, in order.
LAYERS: dict[str, tuple[str, ...]] = {FIRST: (), "0.1.12": ("0.1.12",)} | {
    f"0.1.13-{fault}": ("0.1.12", f"0.1.13-{fault}")
    for fault in ("latency", "errors", "health", "crash", "endpoint", "subtle", "startup")
}
VERSIONS = tuple(LAYERS)


class BuildError(Exception):
    """The project cannot be laid out as asked."""


def build(version: str, out: Path, *, database_id: str, staging_database_id: str) -> Path:
    """Write the project of *version* to ``out/<version>`` and return that directory."""
    if version not in LAYERS:
        raise BuildError(f"no version {version!r}; there are {', '.join(VERSIONS)}")
    target = out / version
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(HERE / "src", target / "src")
    for layer in LAYERS[version]:
        for source in sorted((HERE / "versions" / layer).glob("*.js")):
            shutil.copyfile(source, target / "src" / source.name)
    told = (HERE / "wrangler.jsonc").read_text().replace(f'"{FIRST}"', f'"{version}"')
    told = told.replace("../spring-rate-api/migrations", str(HERE.parent / "spring-rate-api" / "migrations"))
    databases = {"production": database_id, "staging": staging_database_id}
    for environment, placeholder in DATABASES.items():
        told = told.replace(placeholder, databases[environment])
    (target / "wrangler.jsonc").write_text(told)
    package = json.loads((HERE / "package.json").read_text()) | {"version": version}
    (target / "package.json").write_text(json.dumps(package, indent=2) + "\n")
    return target


def main(arguments: list[str] | None = None) -> int:
    """Lay out one project and print where it is."""
    parser = argparse.ArgumentParser(description="Lay out a project of the spring rate API.")
    parser.add_argument("version", choices=VERSIONS)
    parser.add_argument("--out", type=Path, required=True, help="the project is written to OUT/<version>")
    parser.add_argument("--database-id", required=True, help="production's D1 database")
    parser.add_argument("--staging-database-id", required=True, help="staging's")
    options = parser.parse_args(arguments)
    print(
        build(
            options.version,
            options.out,
            database_id=options.database_id,
            staging_database_id=options.staging_database_id,
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
