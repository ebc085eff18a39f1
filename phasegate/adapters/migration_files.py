"""Migrations on disk: ``<folder>/<name>.sql``, and ``<folder>/<down>/<name>.sql`` that takes one back."""

from pathlib import Path

from phasegate.domain.errors import Refused
from phasegate.domain.migrations import Migration

LARGEST = 10 * 1024 * 1024


def read_migrations(folder: Path, *, down: str) -> tuple[Migration, ...]:
    """
    Every migration of *folder*, by name; files of *down* belong to those of the same name.

    Raises Refused for a folder or file that cannot be read, and for down-SQL without its migration.
    """
    if not folder.is_dir():
        raise Refused(
            f"{folder}: no such folder; allowed: the folder that the plan's database.migrations names"
        )
    names = sorted(path.name for path in folder.glob("*.sql"))
    backs = sorted(path.name for path in (folder / down).glob("*.sql"))
    if lone := [name for name in backs if name not in names]:
        raise Refused(
            f"{folder / down / lone[0]}: takes back no migration; allowed: {', '.join(names) or 'none'}"
        )
    return tuple(
        Migration(
            name=name,
            sql=_text(folder / name),
            down=_text(folder / down / name) if name in backs else "",
        )
        for name in names
    )


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST:
            raise Refused(f"{path}: larger than {LARGEST:,} bytes, which is all that one request carries")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise Refused(f"{path}: cannot be read as text in UTF-8: {fault}") from None
