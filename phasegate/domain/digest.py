"""The fingerprint of a plan: two plans that would act differently never share one."""

import json
from hashlib import sha256

from phasegate.domain.plan import RolloutPlan


def plan_digest(plan: RolloutPlan) -> str:
    """
    SHA-256, as 64 hex digits, over the canonical JSON of *plan*.

    Keys are sorted and quantities written one way (``90m`` and ``1h30m`` are one
    plan), so comments, key order and inheritance in the file do not matter.
    """
    text = json.dumps(
        plan.model_dump(mode="json"),
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    )
    return sha256(text.encode()).hexdigest()
