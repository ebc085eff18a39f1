"""
Which version answers a request: pure rules, no I/O.

In the order of precedence: the override header (RFC 8941 dictionary, Cloudflare's
``Cloudflare-Workers-Version-Overrides``), the affinity key (``Cloudflare-Workers-Version-Key``),
the split.
"""

import math
import re
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b

Share = tuple[str, float]
Shares = tuple[Share, ...]

UNIT = 1_000_000
NOTHING: Mapping[str, str] = {}


class SplitMode(StrEnum):
    """What decides without an affinity key: the exact split, or the client's address as a key."""

    SMOOTH = "smooth"
    STICKY = "sticky"


class SmoothSplit:
    """
    Smooth weighted round robin, as nginx spreads its upstreams: exact and deterministic.

    Of any run of requests, each of two versions gets its share to within one request.
    """

    def __init__(self, shares: Shares, *, previous: "SmoothSplit | None" = None) -> None:
        self._weights = [
            (version, round(percentage * UNIT)) for version, percentage in shares if percentage > 0
        ]
        self._total = sum(weight for _, weight in self._weights)
        self._credit = dict.fromkeys((version for version, _ in self._weights), 0)
        # Without the credit carried over, frequent small changes would starve the small share.
        if previous is not None and previous._credit.keys() == self._credit.keys():
            self._credit.update(previous._credit)

    def next(self) -> str | None:
        """The version of the next request; None when no version has a share."""
        credit = self._credit
        best, most = None, -math.inf
        for version, weight in self._weights:
            held = credit[version] = credit[version] + weight
            if held > most:
                best, most = version, held
        if best is not None:
            credit[best] -= self._total
        return best


def sticky(key: str, shares: Shares) -> str | None:
    """
    The version of *key*; None when no version has a share.

    Weighted rendezvous hashing: each version draws an exponential waiting time with
    its share as rate, from key and version id alone, and the shortest wins. So the
    order of *shares* does not matter, a version with 0 % is never chosen, and when
    one version's share grows at the cost of the others, keys move only to it.
    """
    best, shortest = None, math.inf
    for version, percentage in shares:
        if percentage > 0:
            wait = -math.log(_uniform(key, version)) / percentage
            if wait < shortest:
                best, shortest = version, wait
    return best


def _uniform(key: str, version: str) -> float:
    """A number in (0, 1], the same for the same key and version everywhere."""
    digest = blake2b(f"{version}\0{key}".encode("utf-8", "surrogateescape"), digest_size=8).digest()
    # 53 bits are what a float holds; adding one keeps the logarithm finite.
    return ((int.from_bytes(digest, "big") >> 11) + 1) / 2**53


_KEY = r"[a-z*][a-z0-9_.*-]*"
_STRING = r'"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"'
_OTHER = r"[A-Za-z0-9*:?+/=.!#$%&'^_`|~@-]+"
_PARAMETERS = rf"(?:;[ ]*{_KEY}(?:=(?:{_STRING.replace('(', '(?:', 1)}|{_OTHER}))?)*"
_MEMBER = re.compile(rf"[ ]*({_KEY})(?:=(?:{_STRING}|{_OTHER}))?{_PARAMETERS}[ \t]*")


def parse_overrides(value: str) -> Mapping[str, str]:
    """
    Worker -> version id of an override header; nothing at all when it is malformed.

    RFC 8941 section 3.2: the last of equal keys counts, members that are no strings
    are skipped, and a dictionary that does not parse is ignored as a whole.
    """
    found: dict[str, str] = {}
    position = 0
    while position < len(value):
        member = _MEMBER.match(value, position)
        if member is None:
            return NOTHING
        found.pop(member[1], None)
        if member[2] is not None:
            found[member[1]] = re.sub(r"\\(.)", r"\1", member[2])
        position = member.end()
        if position < len(value):
            if value[position] != "," or not value[position + 1 :].strip(" \t"):
                return NOTHING
            position += 1
            position += len(value[position:]) - len(value[position:].lstrip(" \t"))
    return found


@lru_cache(maxsize=1024)
def first_label(host: str) -> str | None:
    """``rates`` of ``rates.acme.workers.dev:8080``; None for a bare address or ``localhost``."""
    name = host.partition(":")[0].rstrip(".").lower()
    if host.startswith("[") or name in {"localhost", ""} or re.fullmatch(r"[0-9.]+", name):
        return None
    return name.partition(".")[0]


_PREVIEW = re.compile(r"([0-9a-f]{8})-(.+)")


def preview_of(label: str) -> tuple[str, str] | None:
    """(start of the version id, Worker) of a label such as ``1a2b3c4d-rates``; None for other labels."""
    match = _PREVIEW.fullmatch(label)
    return (match[1], match[2]) if match else None


class Route:
    """
    The split of one Worker, and the changes of it that are still on their way.

    With a lag, a change takes effect only that many seconds after it was made, as
    on a network that needs time to hear of it.
    """

    def __init__(self) -> None:
        self.lag = 0.0
        self._shares: Shares = ()
        self._smooth = SmoothSplit(())
        self._coming: list[tuple[float, Shares]] = []

    def change(self, shares: Shares, *, now: float) -> None:
        """Set the split; at once when there is no lag or nothing was served yet. *now* in seconds."""
        if self.lag and self._shares:
            self._coming.append((now + self.lag, shares))
        else:
            self._coming.clear()
            self._adopt(shares)

    def shares(self, now: float) -> Shares:
        """The split that counts at *now*."""
        while self._coming and self._coming[0][0] <= now:
            self._adopt(self._coming.pop(0)[1])
        return self._shares

    def names(self, version_id: str) -> bool:
        """Whether the version is in the split that counts or in one that is coming."""
        return any(
            version_id == version
            for shares in (self._shares, *(coming for _, coming in self._coming))
            for version, _ in shares
        )

    def pick(self, *, wanted: str | None, key: str | None, now: float) -> str | None:
        """The version of one request: the *wanted* one if in the split, else by *key*, else in turn."""
        shares = self.shares(now)
        if wanted is not None:
            for version, _ in shares:
                if version == wanted:
                    return version
        if key is not None:
            return sticky(key, shares)
        return self._smooth.next()

    def _adopt(self, shares: Shares) -> None:
        self._shares = shares
        self._smooth = SmoothSplit(shares, previous=self._smooth)
