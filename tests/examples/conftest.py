"""The sample service, running."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from spring_rate import Serve, Worker, example, migrate, running


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Start a version: ``serve("0.1.12", environment="staging")``; one database per environment."""
    root = tmp_path_factory.mktemp("bundles")
    build = example("build").build
    with ExitStack() as stack:

        def start(version: str, environment: str = "production", *, migrated: bool = True) -> Worker:
            bundle = build(version, root, database_id="db-p", staging_database_id="db-s")
            database = root / f"{environment}{'' if migrated else '-bare'}.sqlite"
            if migrated and not database.exists():
                migrate(database)
            name = "metadata.json" if environment == "production" else f"metadata.{environment}.json"
            return stack.enter_context(running(bundle, name, database))

        yield start
