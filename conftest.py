"""Makes the project's root importable in tests, and its Postgres cluster available to all of them."""

from tests.postgres import postgres

__all__ = ["postgres"]
