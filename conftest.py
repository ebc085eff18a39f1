"""Makes the project's root importable in tests, and real databases available to all of them."""

import gc
import os
from pathlib import Path

from tests.ledger_databases import ledger, ledger_file, ledger_of, ledger_url, run_sql
from tests.postgres import postgres

__all__ = ["ledger", "ledger_file", "ledger_of", "ledger_url", "postgres", "run_sql"]

# A hundred thousand objects are there to stay; to look through them again and again takes its time.
gc.set_threshold(50_000, *gc.get_threshold()[1:])

# Whoever imports a task imports Prefect, which makes its home at once: it shall not be the user's.
PREFECT_HOME = Path(__file__).parent / "build" / "prefect"
PREFECT_HOME.mkdir(parents=True, exist_ok=True)
os.environ["PREFECT_HOME"] = str(PREFECT_HOME)
