"""Where a ledger is: a SQLite file by path or URL, or a Postgres database by URL."""

from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from phasegate.adapters.ledger_parameters import Parameters, parameters
from phasegate.domain.errors import SettingsError

DEFAULT = ".phasegate/ledger.db"
ALLOWED = "a path such as .phasegate/ledger.db, sqlite:///path/to/ledger.db, or postgresql://user@host:5432/database"


@dataclass(frozen=True)
class Address:
    """
    One database. ``path`` is None for Postgres.

    ``name`` is what messages call it: never with a password or other parameters. ``asked`` is
    what a Postgres URL asks of the connection.
    """

    url: URL
    path: Path | None
    name: str
    asked: Parameters = field(default_factory=Parameters)


def address(text: str) -> Address:
    """
    Read a path or a URL; empty text means the default file.

    Raises SettingsError, without repeating the text of a URL, when it is neither, or when
    it has parameters that the driver does not take.
    """
    if "://" not in text:
        return _file(text or DEFAULT)
    try:
        url = make_url(text)
        kind = url.get_backend_name()
    except (ArgumentError, ValueError):
        raise SettingsError(f"the ledger's address is not a database URL; allowed: {ALLOWED}") from None
    if kind == "sqlite":
        return _file(url.database or "")
    if kind in {"postgresql", "postgres"}:
        return _postgres(url)
    raise SettingsError(f"the ledger cannot be kept in {kind!r}; allowed: {ALLOWED}")


def _file(text: str) -> Address:
    if not text or text == ":memory:" or text.startswith("file:"):
        raise SettingsError(
            f"the ledger must survive a restart, so it needs a plain file; allowed: {ALLOWED}"
        )
    path = Path(text)
    return Address(url=URL.create("sqlite+aiosqlite", database=text), path=path, name=str(path))


def _postgres(url: URL) -> Address:
    if not url.database:
        raise SettingsError(f"the ledger's Postgres URL names no database; allowed: {ALLOWED}")
    shown = URL.create("postgresql", url.username, None, url.host, url.port, url.database)
    name = shown.render_as_string(hide_password=True)
    # Hosted databases hand out libpq's words; asyncpg knows most of them under other names or not at all.
    asked = parameters(url.query, name=name)
    return Address(
        url=url.set(drivername="postgresql+asyncpg", query=asked.query),
        path=None,
        name=name,
        asked=asked,
    )
