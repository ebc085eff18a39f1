"""Items that a machine proves and items that a person attests."""

import pytest
from pydantic import ValidationError

from phasegate.domain.checklist import By, Item, Outcome, Result, open_items


def machine(key: str) -> Item:
    return Item(key=key, text=f"{key} works", by=By.MACHINE, check=key)


def test_an_item_is_closed_only_by_a_pass():
    """
    Failed, unanswered and never-run items all stand in the way.
    """
    items = (machine("health"), machine("sync"), machine("auth"), machine("crud"))
    results = (
        Result(key="health", outcome=Outcome.PASSED),
        Result(key="sync", outcome=Outcome.FAILED, detail="409"),
        Result(key="auth", outcome=Outcome.OPEN),
    )

    left = open_items(items, results)

    assert [item.key for item in left] == ["sync", "auth", "crud"]


def test_items_by_a_person_do_not_wait_for_a_machine():
    """
    They are asked in the gate's form, not proved by a check.
    """
    smoke = Item(key="browser", text="Load application in browser", by=By.PERSON)

    assert open_items((smoke,), ()) == ()


@pytest.mark.parametrize(
    "field", [{"key": "A B"}, {"text": "x"}, {"by": "robot"}, {"check": "a b"}, {"extra": 1}]
)
def test_an_item_is_well_formed(field):
    """
    A key is printed by programs and typed by people, so it is plain.
    """
    with pytest.raises(ValidationError):
        Item.model_validate({"key": "k", "text": "text", "by": "machine", "check": "health"} | field)
