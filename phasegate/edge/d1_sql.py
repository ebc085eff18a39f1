"""SQL as D1 takes it: split into statements, and without what a database on the edge may not do."""

import re
import sqlite3
from collections.abc import Iterator
from typing import Any

_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_WORD = re.compile(r"[a-z]+")
_FORBIDDEN = frozenset(
    {"begin", "commit", "rollback", "savepoint", "release", "end", "attach", "detach", "vacuum"}
)
_PRAGMAS = re.compile(
    r"table_(list|x?info)|index_(list|x?info)|foreign_key(s|_list|_check)|quick_check|defer_foreign_keys|"
    r"legacy_alter_table|case_sensitive_like|ignore_check_constraints|recursive_triggers|"
    r"reverse_unordered_selects|optimize|function_list"
)
_INTEGERS = range(-(2**63), 2**63)
_PRAGMA = re.compile(r"pragma\s+(?:\w+\s*\.\s*)?(\w+)", re.IGNORECASE)


class D1Error(Exception):
    """D1 refused or failed a query; the text ends with SQLite's error name, as Cloudflare's does."""


def statements(sql: str) -> Iterator[str]:
    """
    The statements of *sql*, without trailing comments and empty ones.

    Triggers, quoted semicolons and comments are left whole: SQLite itself says where a statement ends.
    """
    pending = ""
    for piece in sql.split(";"):
        pending += piece + ";"
        if sqlite3.complete_statement(pending):
            if bare(pending):
                yield pending.strip()
            pending = ""
    # The split adds a semicolon at the very end; what is still open there is for SQLite to refuse.
    rest = pending[:-1]
    if bare(rest):
        yield rest.strip()


def bare(sql: str) -> str:
    """*sql* without the comments, spaces and semicolons in front of its first word."""
    while True:
        stripped = sql.lstrip(" \t\r\n;")
        comment = _COMMENT.match(stripped)
        if comment is None:
            return stripped
        sql = stripped[comment.end() :]


def refuse_forbidden(sql: str) -> None:
    """Raise unless *sql* is a statement that D1 lets a client run."""
    text = bare(sql)
    first = _WORD.match(text.lower())
    word = first.group() if first else ""
    if word in _FORBIDDEN:
        raise D1Error(
            f"D1 runs each request as one transaction, {word.upper()} is not authorized: SQLITE_AUTH"
        )
    pragma = _PRAGMA.match(text)
    if word == "pragma" and (pragma is None or not _PRAGMAS.fullmatch(pragma.group(1).lower())):
        raise D1Error("not authorized: SQLITE_AUTH")


def bound(value: Any) -> Any:
    """A JSON parameter as SQLite binds it; a list of numbers is a blob."""
    if value is None or isinstance(value, str | float):
        return value
    if isinstance(value, int):
        if value not in _INTEGERS:
            raise D1Error(f"D1_TYPE_ERROR: Type 'bigint' not supported for value '{str(value)[:40]}'")
        return int(value)
    if isinstance(value, list):
        try:
            return bytes(value)
        except (TypeError, ValueError):
            pass
    raise D1Error(f"a parameter of type {type(value).__name__} is not supported: SQLITE_MISMATCH")


def shown(value: Any) -> Any:
    """A column's value as JSON carries it; a blob is a list of numbers."""
    return list(value) if isinstance(value, bytes) else value


def described(error: sqlite3.Error | sqlite3.Warning) -> str:
    """SQLite's words in D1's form, such as ``no such table: t: SQLITE_ERROR``."""
    name = getattr(error, "sqlite_errorname", None) or "SQLITE_ERROR"
    return f"{error}: {'_'.join(name.split('_')[:2])}"
