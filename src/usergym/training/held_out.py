"""What held-out conversations say of a policy: mean rewards with their intervals."""

import math
from collections import defaultdict
from collections.abc import Sequence

from usergym.evaluation.statistics import combined, mean_interval


def held_out(
    rewards: Sequence[tuple[str, str, float | None]], prefix: str = "eval", max_lost: float = 1.0
) -> dict[str, float]:
    """Metrics of (environment, task, reward): the mean of the environments' means with its 95 % interval, each
    environment's own, and the share that was not scored. The mean is NaN where more than `max_lost` was not, or nothing
    of one environment: what is left would say too much, and must not choose a checkpoint."""
    by_env: defaultdict[str, dict[str, list[float]]] = defaultdict(dict)
    for env, task, value in rewards:
        tasks = by_env[env]
        if value is not None:
            tasks.setdefault(task, []).append(value)
    metrics = {f"{prefix}_lost": sum(value is None for _, _, value in rewards) / max(1, len(rewards))}
    estimates = {env: made for env, tasks in by_env.items() if (made := mean_interval(tasks))}
    if len(by_env) > 1:
        metrics |= {f"{prefix}_env/{env}/reward": made.mean for env, made in estimates.items()}
    unsure = metrics[f"{prefix}_lost"] > max_lost or len(estimates) < len(by_env)
    whole = None if unsure else combined((1 / len(estimates), made) for made in estimates.values())
    metrics[f"{prefix}_reward"] = whole.mean if whole else math.nan
    if whole and whole.low is not None and whole.high is not None:
        metrics |= {f"{prefix}_reward_low": whole.low, f"{prefix}_reward_high": whole.high}
    return metrics
