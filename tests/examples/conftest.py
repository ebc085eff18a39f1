"""The sample service, running: in Python and in JavaScript, to which the same tests apply."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from spring_rate import JavascriptHost, Serve, Worker, example, migrate, running

from tests.toolchain import needs_workerd


@pytest.fixture(scope="module", params=["python", pytest.param("javascript", marks=needs_workerd)])
def serve(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Start a version: ``serve("0.1.12", environment="staging")``; one database per environment."""
    root = tmp_path_factory.mktemp("bundles")
    with ExitStack() as stack:
        language = _python if request.param == "python" else _javascript
        yield language(root, stack)


@pytest.fixture
def language(request: pytest.FixtureRequest, serve: Serve) -> str:
    """What the version under test is written in."""
    return str(request.node.callspec.params["serve"])


def _python(root: Path, stack: ExitStack) -> Serve:
    build = example("build").build

    def start(version: str, environment: str = "production", *, migrated: bool = True) -> Worker:
        bundle = build(version, root, database_id="db-p", staging_database_id="db-s")
        database = root / f"{environment}{'' if migrated else '-bare'}.sqlite"
        if migrated and not database.exists():
            migrate(database)
        name = "metadata.json" if environment == "production" else f"metadata.{environment}.json"
        return stack.enter_context(running(bundle, name, database))

    return start


def _javascript(root: Path, stack: ExitStack) -> Serve:
    build = example("build", of="spring-rate-js").build
    host = stack.enter_context(JavascriptHost(root))

    def start(version: str, environment: str = "production", *, migrated: bool = True) -> Worker:
        project = build(version, root, database_id="db-p", staging_database_id="db-s")
        return host.start(project, version=version, environment=environment, migrated=migrated)

    return start
