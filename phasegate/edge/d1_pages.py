"""
Pages of a SQLite database as its write-ahead log carries them.

The formats are SQLite's (sqlite.org/fileformat2.html, "The WAL Format").
"""

import struct
from pathlib import Path

_WAL_HEADER = 32
_FRAME = struct.Struct(">IIIIII")
PAGE_SIZE = 4096
Pages = dict[int, bytes]


class WalReader:
    """Reads what was committed since the last call; one writer, whose log never restarts unnoticed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def restart(self) -> None:
        """The log was emptied by a checkpoint."""
        self._offset = 0

    @property
    def size(self) -> int:
        """How many bytes of the log were read so far."""
        return self._offset

    def committed(self) -> tuple[Pages, int]:
        """The new content of each page written since, and the database's size in pages (0: nothing new)."""
        if not self._path.exists():
            return {}, 0
        with self._path.open("rb") as log:
            log.seek(self._offset or _WAL_HEADER)
            data = log.read()
        pages, size, used = _frames(data)
        if size:
            self._offset = (self._offset or _WAL_HEADER) + used
        return pages, size


def _frames(data: bytes) -> tuple[Pages, int, int]:
    pages: Pages = {}
    pending: Pages = {}
    size = used = 0
    step = _FRAME.size + PAGE_SIZE
    for start in range(0, len(data) - step + 1, step):
        number, after, *_ = _FRAME.unpack_from(data, start)
        pending[number] = data[start + _FRAME.size : start + step]
        # Only a frame that names the database's size ends a transaction.
        if after:
            pages |= pending
            pending = {}
            size, used = after, start + step
    return pages, size, used


def difference(old: bytes, new: bytes) -> Pages:
    """The pages of image *new* that image *old* lacks or has otherwise."""
    return {
        start // PAGE_SIZE + 1: new[start : start + PAGE_SIZE]
        for start in range(0, len(new), PAGE_SIZE)
        if old[start : start + PAGE_SIZE] != new[start : start + PAGE_SIZE]
    }


def changed(old: bytes, pages: Pages) -> Pages:
    """Those of *pages* that image *old* has otherwise."""
    return {
        number: page
        for number, page in pages.items()
        if old[(number - 1) * PAGE_SIZE : number * PAGE_SIZE] != page
    }


def patched(image: bytearray, pages: Pages, *, size: int) -> None:
    """Write *pages* into *image* and give it *size* pages."""
    length = size * PAGE_SIZE
    image.extend(bytes(max(0, length - len(image))))
    del image[length:]
    for number, page in pages.items():
        if number <= size:
            image[(number - 1) * PAGE_SIZE : number * PAGE_SIZE] = page


def detached(image: bytes) -> bytes:
    """*image* as a database in rollback mode: SQLite does not open a lone image in WAL mode."""
    return image[:18] + b"\x01\x01" + image[20:] if len(image) >= 20 else image
