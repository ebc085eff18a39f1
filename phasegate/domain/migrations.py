"""
Migrations of a database that two versions share: which are due, and which would break the old version.

While a release is split, and as long as it may be taken back, both versions use one database. So a
migration may *expand* (add what the old version does not know of); one that *contracts* (takes away or
narrows what the old version uses) has to say why that is safe, in a comment of its own.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from pydantic import BaseModel, ConfigDict, Field

from phasegate.domain.errors import Refused
from phasegate.domain.sql import Statement, statements

ANNOTATION = "phasegate: contract because "


class Migration(BaseModel):
    """One file of the project: ``sql`` forward, ``down`` to take it back (empty when there is none)."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(min_length=1)
    sql: str
    down: str = ""


class Contraction(BaseModel):
    """A statement that the old version may not survive; ``because`` is the project's own word, or empty."""

    model_config = ConfigDict(frozen=True)

    migration: str
    line: int
    statement: str
    breaks: str
    because: str = ""


class Planned(BaseModel):
    """A migration that is due: its name, the digests of its two files, and what it takes away, in words."""

    model_config = ConfigDict(frozen=True)

    name: str
    digest: str
    down_digest: str = ""
    contracts: tuple[str, ...] = ()


def digest(sql: str) -> str:
    """SHA-256 of a file's text, in hexadecimal; empty for an empty text."""
    return hashlib.sha256(sql.encode()).hexdigest() if sql else ""


def schema_digest(schema: Mapping[str, str]) -> str:
    """SHA-256 of a schema (name of each object -> its SQL), in hexadecimal; spaces do not count."""
    plain = {name: " ".join(sql.split()) for name, sql in schema.items()}
    return digest(json.dumps(plain, sort_keys=True))


def due(files: Sequence[Migration], applied: Sequence[str]) -> tuple[Migration, ...]:
    """
    The migrations of *files* that are not in *applied*, in order of their names.

    Raises Refused when the database has one that the project does not: the files are
    older than the database, and what they would do to it is unknown.
    """
    known = {migration.name for migration in files}
    if foreign := [name for name in applied if name not in known]:
        raise Refused(
            f"the database has migrations that the project does not: {', '.join(foreign)}; "
            "release from a checkout that has them"
        )
    return tuple(sorted((each for each in files if each.name not in applied), key=lambda each: each.name))


def plan(files: Sequence[Migration], applied: Sequence[str]) -> tuple[Planned, ...]:
    """What is due, ready for the ledger; raises Refused naming every statement that has to be annotated."""
    pending = due(files, applied)
    found = [contraction for migration in pending for contraction in contractions(migration)]
    if bare := [each for each in found if not each.because]:
        raise Refused("\n".join(map(_refusal, bare)))
    return tuple(_planned(migration, found) for migration in pending)


def contractions(migration: Migration) -> tuple[Contraction, ...]:
    """Every statement of *migration* that takes away or narrows what another version may use."""
    return tuple(_contractions(migration))


def _contractions(migration: Migration) -> Iterator[Contraction]:
    made: set[str] = set()
    for statement in statements(migration.sql):
        made.add(_made(statement.words))
        if breaks := _breaks(statement, made):
            yield Contraction(
                migration=migration.name,
                line=statement.line,
                statement=" ".join(statement.text.split())[:120],
                breaks=breaks,
                because=_because(statement),
            )


def _breaks(statement: Statement, made: set[str]) -> str:
    """What *statement* does to the old version; tables in *made* are new, nobody uses them yet."""
    words = statement.words
    match words[:2]:
        case ("DROP", what):
            return f"DROP {what} takes away what the old version may use"
        case ("ALTER", "TABLE"):
            return _alters(words)
        case ("CREATE", "UNIQUE") if _indexed(words) not in made:
            return "a UNIQUE INDEX refuses rows that the old version may still write"
        case ("DELETE", "FROM") | ("WITH", _) if "DELETE" in words:
            return "DELETE removes rows that no down-SQL brings back"
    return ""


def _alters(words: tuple[str, ...]) -> str:
    if "RENAME" in words:
        return "RENAME takes away the name that the old version uses"
    if "DROP" in words:
        return "DROP COLUMN takes away what the old version may use"
    not_null = any(pair == ("NOT", "NULL") for pair in pairwise(words))
    if "ADD" in words and not_null and "DEFAULT" not in words:
        return "NOT NULL without DEFAULT makes the old version's inserts fail"
    return ""


def _made(words: tuple[str, ...]) -> str:
    """The table that a statement surely makes; IF NOT EXISTS may find one that is in use."""
    if words[:1] != ("CREATE",) or "TABLE" not in words[1:3]:
        return ""
    at = words.index("TABLE") + 1
    return _bare(words[at]) if words[at : at + 1] not in ((), ("IF",)) else ""


def _indexed(words: tuple[str, ...]) -> str:
    return _bare(words[words.index("ON") + 1]) if "ON" in words[:-1] else ""


def _bare(word: str) -> str:
    return word.strip('"').casefold()


def _because(statement: Statement) -> str:
    said = (comment.removeprefix(ANNOTATION) for comment in statement.comments if ANNOTATION in comment)
    return next(said, "").strip()


def _refusal(found: Contraction) -> str:
    return (
        f"{found.migration}:{found.line}: {found.statement}: {found.breaks} while two versions share the "
        f"database; allowed: a migration that only adds, or a comment '-- {ANNOTATION}…' on the statement "
        "that says why no version in use needs it"
    )


def _planned(migration: Migration, found: Sequence[Contraction]) -> Planned:
    ours = [each for each in found if each.migration == migration.name]
    return Planned(
        name=migration.name,
        digest=digest(migration.sql),
        down_digest=digest(migration.down),
        contracts=tuple(f"line {each.line}: {each.breaks} ({each.because})" for each in ours),
    )
