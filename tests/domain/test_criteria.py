"""Rules that could never act are not rules."""

import pytest
from pydantic import ValidationError

from phasegate.domain.criteria import AlertRule


@pytest.mark.parametrize("limit", [{}, {"above": "1%"}, {"slower_than": "1s", "above": "1%"}])
def test_an_alert_has_the_limit_of_its_metric(limit):
    """
    An alert without its limit would never fire, and nobody would notice.
    """
    alert = {"metric": "latency", "level": "critical", "action": "Look"} | limit

    with pytest.raises(ValidationError, match="for latency; allowed: slower_than and nothing else"):
        AlertRule.model_validate(alert)
