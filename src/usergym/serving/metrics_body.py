"""`/aggregate_metrics`: the statistics of a run's result rows."""

from collections.abc import Mapping
from typing import Any

import msgspec

from usergym.evaluation.gym_metrics import GymMetrics
from usergym.serving.web import Refused


def aggregate_payload(body: Any) -> bytes:
    """Refused for a body that holds no rows."""
    rows = body.get("verify_responses") if isinstance(body, Mapping) else body
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise Refused(422, "body", "expected {'verify_responses': [rows]}", field="verify_responses")
    metrics = GymMetrics()
    for row in rows:
        metrics.add(row)
    return msgspec.json.encode(metrics.aggregate())
