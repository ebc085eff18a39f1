"""The chain of hashes: whoever changes the past is found out."""

from typing import Any

import pytest

from phasegate.domain import events as e
from phasegate.domain.ledger import first_break
from tests.ledger_cases import (
    chained,
    good_release,
    rolled_back_release,
)

GOOD = chained(good_release())


BAD = chained(rolled_back_release())


@pytest.mark.parametrize("rows", [GOOD, BAD, ()])
def test_an_untouched_chain_holds(rows):
    """
    The check finds nothing where nothing was changed.
    """
    assert first_break(rows) == ""


@pytest.mark.parametrize(
    "change",
    [
        {"by": "mallory"},
        {"at": GOOD[0].at},
        {"release": "r2"},
        {"event": e.Noted(text="nothing happened")},
        {"hash": "f" * 64},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_changed_row_is_found(change: dict[str, Any]):
    """
    Every field of a row is part of its hash.
    """
    rows = list(GOOD)
    rows[4] = rows[4].model_copy(update=change)

    assert first_break(rows).startswith("row 5 ")
    assert "was changed" in first_break(rows)


def test_a_changed_row_with_a_matching_hash_breaks_the_row_after_it():
    """
    Who rewrites one row has to rewrite every later one.
    """
    forged = chained([*good_release()[:4], e.Noted(text="nothing happened")])[-1]

    assert "row 6 does not follow row 5" in first_break([*GOOD[:4], forged, *GOOD[5:]])


def test_a_missing_row_is_found():
    """
    A row that vanished is worse than one that was changed.
    """
    assert first_break([*GOOD[:4], *GOOD[5:]]) == "row 5 is missing: the next one is numbered 6"


def test_swapped_rows_are_found():
    """
    The order is part of what happened.
    """
    rows = list(GOOD)
    rows[4], rows[5] = rows[5], rows[4]

    assert first_break(rows) == "row 5 is missing: the next one is numbered 6"
    renumbered = [row.model_copy(update={"seq": seq}) for seq, row in enumerate(rows, start=1)]
    assert "row 5 does not follow row 4" in first_break(renumbered)
