"""Makes the project's root importable in tests, and real databases available to all of them."""

from tests.ledger_databases import ledger, ledger_file, ledger_of, ledger_url, run_sql
from tests.postgres import postgres

__all__ = ["ledger", "ledger_file", "ledger_of", "ledger_url", "postgres", "run_sql"]
