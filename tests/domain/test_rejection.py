"""Replay of a rejection: one event calls the release off, and older ledgers mean what they meant."""

import pytest

from phasegate.domain import events as e
from tests.domain.test_ledger import at
from tests.ledger_cases import answered, asked, opened


def rejected() -> e.Answered:
    """The product owner says no."""
    return answered("product-owner", choice=e.Choice.REJECT)


def test_a_rejection_calls_the_release_off_in_the_persons_name():
    """
    The event that closes the question is the one that stops the release: nothing can get lost in between.
    """
    state = at(opened(), asked(), rejected())

    assert state.aborting
    assert state.why_abort == "a product-owner (product-owner): looks fine"
    assert state.breached_at == state.at


def test_a_breach_that_came_before_a_rejection_stays_the_reason():
    """
    What was seen first is what people are told, and its time counts.
    """
    abort = e.AbortAsked(by="ada", reason="users complain")

    state = at(opened(), asked(), abort, rejected())

    assert state.abort == abort
    assert state.breached_at == at(opened(), asked(), abort).at


def test_a_ledger_with_the_call_off_in_an_event_of_its_own_replays_as_ever():
    """
    Older ones wrote two events for one rejection; the second says since when.
    """
    abort = e.AbortAsked(by="a product-owner (product-owner)", reason="looks fine")

    state = at(opened(), asked(), rejected(), abort)

    assert state.abort == abort
    assert state.breached_at == state.at


@pytest.mark.parametrize("went_on", [asked("q2"), e.PhaseEnded(phase="staging")])
def test_a_release_that_went_on_after_a_lost_rejection_is_not_called_off_later(went_on):
    """
    In an older ledger the second event may be missing; the question was put again, and answered.
    """
    state = at(opened(), asked(), rejected(), went_on)

    assert not state.aborting
    assert state.breached_at is None


def test_a_call_off_stands_whatever_is_asked_after_it():
    """
    Only a rejection without a call-off of its own can have been lost.
    """
    abort = e.AbortAsked(by="ada", reason="users complain")

    assert at(opened(), asked(), rejected(), abort, asked("q2")).aborting
