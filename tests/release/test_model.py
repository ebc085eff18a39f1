"""Whatever happens to a release in whatever order, the laws hold after each step and it ends well."""

import pytest
from hypothesis import HealthCheck, settings

from tests.release.model_machine import ReleaseMachine

pytestmark = pytest.mark.patient

TestAnyOrder = ReleaseMachine.TestCase
TestAnyOrder.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
