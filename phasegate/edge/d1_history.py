"""
The history of one database: an image, and what each commit changed since.

A commit costs the pages it wrote. When the history is older than *keep* or larger than
*most_bytes*, its oldest half is folded into the image and those bookmarks are gone.
"""

import hashlib
import os
import struct
from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from phasegate.edge.d1_pages import PAGE_SIZE, Pages, patched
from phasegate.edge.d1_sql import D1Error

KEEP = timedelta(days=30)
MOST_BYTES = 128 * 1024 * 1024
_HEAD = struct.Struct(">IdII")
_PAGE = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Commit:
    """One committed write: where its pages are in the log, and the database's size after it."""

    number: int
    at: float
    offset: int
    pages: int
    size: int

    @property
    def end(self) -> int:
        """Where the next commit's record begins."""
        return self.offset + _HEAD.size + self.pages * (_PAGE.size + PAGE_SIZE)


class History:
    """Commits of the database *name*, in ``<path>.image`` and ``<path>.log``."""

    def __init__(
        self, path: Path, *, name: str, most_bytes: int = MOST_BYTES, keep: timedelta = KEEP
    ) -> None:
        self._name = name
        self._most_bytes = most_bytes
        self._keep = keep.total_seconds()
        self._image = path.with_suffix(".image")
        log = path.with_suffix(".log")
        log.touch(mode=0o600)
        self._log = log.open("r+b")
        self._path = log
        if not self._image.exists():
            self._write_image(_Base(0, 0.0, 0), b"")
        self._base = self._read_base()
        self._commits = self._read_commits()

    @property
    def newest(self) -> int:
        """The number of the last commit, 0 before the first."""
        return self._commits[-1].number if self._commits else self._base.number

    def append(self, pages: Pages, *, size: int, at: float) -> None:
        """Note a commit that wrote *pages* at epoch second *at*."""
        offset = self._commits[-1].end if self._commits else 0
        commit = Commit(self.newest + 1, at, offset, len(pages), size)
        body = b"".join(_PAGE.pack(number) + page for number, page in pages.items())
        self._log.seek(offset)
        self._log.write(_HEAD.pack(commit.number, at, len(pages), size) + body)
        self._log.flush()
        self._commits.append(commit)
        if commit.end > self._most_bytes or at - self._commits[0].at > self._keep * 1.1:
            self._fold(at)

    def image(self, number: int) -> bytes:
        """The database as commit *number* left it. Raises when that is not kept any more."""
        self._check(number)
        image = bytearray(self._image.read_bytes()[_BASE.size :])
        for commit in self._commits:
            if commit.number > number:
                break
            patched(image, self._pages(commit), size=commit.size)
        return bytes(image)

    def bookmark(self, number: int) -> str:
        """The bookmark of commit *number*: 8-8-8-32 hex digits that grow with it."""
        seal = hashlib.blake2b(f"{self._name}/{number}".encode(), digest_size=16).hexdigest()
        return f"{number:08x}-00000000-{number:08x}-{seal}"

    def find(self, bookmark: str) -> int:
        """The number of the commit that *bookmark* names. Raises for one that is not of this database."""
        try:
            number = int(bookmark[:8], 16)
        except ValueError:
            number = -1
        if number < 0 or bookmark != self.bookmark(number) or number > self.newest:
            raise D1Error(f"bookmark {bookmark!r} is not one of this database: SQLITE_ERROR")
        self._check(number)
        return number

    def at(self, moment: float) -> int:
        """The number of the last commit at or before epoch second *moment*."""
        position = bisect_right([commit.at for commit in self._commits], moment)
        number = self._commits[position - 1].number if position else self._base.number
        if not position and self._base.number and moment < self._base.at:
            self._check(-1)
        return number

    def close(self) -> None:
        """Close the log."""
        self._log.close()

    def _check(self, number: int) -> None:
        if number < self._base.number:
            oldest = datetime.fromtimestamp(self._base.at, UTC).isoformat(timespec="seconds")
            raise D1Error(f"that point in time is not kept any more; the oldest is {oldest}: SQLITE_ERROR")

    def _pages(self, commit: Commit) -> Pages:
        self._log.seek(commit.offset + _HEAD.size)
        data = self._log.read(commit.end - commit.offset - _HEAD.size)
        step = _PAGE.size + PAGE_SIZE
        return {
            _PAGE.unpack_from(data, start)[0]: data[start + _PAGE.size : start + step]
            for start in range(0, len(data), step)
        }

    def _read_commits(self) -> list[Commit]:
        end = self._log.seek(0, os.SEEK_END)
        commits: list[Commit] = []
        offset = 0
        while offset + _HEAD.size <= end:
            self._log.seek(offset)
            commit = Commit(*_head(self._log.read(_HEAD.size), offset))
            if commit.end > end:
                break
            commits.append(commit)
            offset = commit.end
        return [commit for commit in commits if commit.number > self._base.number]

    def _fold(self, now: float) -> None:
        due = [commit for commit in self._commits if commit.at < now - self._keep]
        gone = max(len(due), len(self._commits) // 2 if self._commits[-1].end > self._most_bytes else 0, 1)
        last = self._commits[gone - 1]
        image = self.image(last.number)
        rest = [(commit, self._pages(commit)) for commit in self._commits[gone:]]
        # The image comes first: commits that it already holds are skipped when the log is read again.
        self._write_image(_Base(last.number, last.at, last.size), image)
        self._base = self._read_base()
        self._commits = []
        self._log.seek(0)
        self._log.truncate()
        for commit, pages in rest:
            self._rewrite(commit, pages)

    def _rewrite(self, commit: Commit, pages: Pages) -> None:
        offset = self._commits[-1].end if self._commits else 0
        self._log.seek(offset)
        self._log.write(_HEAD.pack(commit.number, commit.at, commit.pages, commit.size))
        self._log.write(b"".join(_PAGE.pack(number) + page for number, page in pages.items()))
        self._log.flush()
        self._commits.append(Commit(commit.number, commit.at, offset, commit.pages, commit.size))

    def _write_image(self, base: "_Base", image: bytes) -> None:
        fresh = self._image.with_suffix(".image.new")
        fresh.write_bytes(_BASE.pack(base.number, base.at, base.size) + image)
        fresh.chmod(0o600)
        fresh.replace(self._image)

    def _read_base(self) -> "_Base":
        with self._image.open("rb") as file:
            return _Base(*_BASE.unpack(file.read(_BASE.size)))


_BASE = struct.Struct(">IdI")


@dataclass(frozen=True, slots=True)
class _Base:
    number: int
    at: float
    size: int


def _head(data: bytes, offset: int) -> tuple[int, float, int, int, int]:
    number, at, pages, size = _HEAD.unpack(data)
    return number, at, offset, pages, size
