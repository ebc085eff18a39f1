"""What the edge remembers of a Worker, whenever it is killed."""

import sqlite3

import pytest

from phasegate.edge.model import DeploymentRecord, Module, VersionRecord
from phasegate.edge.state import State, now


def a_version(state: State) -> VersionRecord:
    return state.draft("spring", (Module("entry.py", "text/x-python", b""),), {"bindings": []})


def whole(version: VersionRecord, *, name: str) -> DeploymentRecord:
    return DeploymentRecord(name, "spring", ((version.id, 100.0),), now(), "api", {})


def test_a_new_worker_has_its_version_and_its_deployment_or_neither():
    """
    Whoever finds no deployment uploads again: a version that was left alone would be there twice.
    """
    state = State(None)
    state.create_script("spring")
    first, second = a_version(state), a_version(state)
    state.add_version(first, startup_ms=1, deployment=whole(first, name="d1"))

    with pytest.raises(sqlite3.IntegrityError):
        state.add_version(second, startup_ms=1, deployment=whole(first, name="d1"))

    assert [version.id for version in state.versions("spring")] == [first.id]
    assert [deployment.id for deployment in state.deployments("spring")] == ["d1"]


def test_a_deployment_that_did_not_take_effect_is_forgotten():
    """
    The one before it is in force again.
    """
    state = State(None)
    state.create_script("spring")
    first, second = a_version(state), a_version(state)
    state.add_version(first, startup_ms=1, deployment=whole(first, name="d1"))
    state.withdraw(whole(second, name="d2"))
    state.add_deployment(late := whole(first, name="d3"))
    state.withdraw(late)

    assert [deployment.id for deployment in state.deployments("spring")] == ["d1"]
