"""A small plan that is safe, as its file would have it; tests change what they are about."""

from typing import Any

HOLD = {
    "name": "hold",
    "question": "Go on anyway?",
    "roles": ["engineering-lead"],
    "limit": "1h",
    "on_expiry": "reject",
}

PROVED = {"metric": "error-rate", "below": "0.1%"}
ATTESTED = {"metric": "attested", "text": "all is well"}
UNREPORTED = {"metric": "unreported", "text": "no complaints", "asked": ["on-call"]}


def a_phase(name: str, weight: float, **fields: Any) -> dict[str, Any]:
    """A phase of production; *fields* replace its own."""
    return {
        "name": name,
        "title": f"The {name} phase",
        "environment": "production",
        "weight": weight,
        "soak": {"duration": "10m"},
        "success": [PROVED],
        "rollback": [{"metric": "error-rate", "above": "1%"}],
        "low_traffic": "hold",
        "hold": HOLD,
    } | fields


def staging(**fields: Any) -> dict[str, Any]:
    """A phase of staging."""
    return a_phase("staging", 0, environment="staging", soak=None, rollback=[]) | fields


def a_plan(**fields: Any) -> dict[str, Any]:
    """Staging, 10 % and 100 %; *fields* replace its own."""
    return {
        "name": "small",
        "description": "A small plan",
        "owner": "Platform",
        "interval": "1m",
        "tick": "5s",
        "alpha": "1%",
        "attribution": "literal",
        "on_lost_run": "resume",
        "health": {
            "path": "/health",
            "every": "30s",
            "status": 200,
            "within": "1s",
            "fields": ["status"],
            "expect": {"status": "healthy"},
        },
        "telemetry": {
            "settle": "2m",
            "silence_warns": "5m",
            "silence_holds": "15m",
            "share_within": 5,
            "share_limit": "10m",
        },
        "recovery": {"steady_for": "5m", "limit": "1h"},
        "alerts": [],
        "channels": {"critical": ["pagerduty"]},
        "phases": [staging(), a_phase("canary", 10), a_phase("full", 100)],
    } | fields
