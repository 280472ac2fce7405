"""What verl imports of ours: with VERL_USE_EXTERNAL_MODULES=usergym.training.verl every process of its run knows our
advantage estimators and the agent loop `usergym`. `compute_score` is its reward function."""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

SUPPORTED = ((0, 9, 1), (0, 10))
"""verl from, and below."""


def check_version(found: str | None) -> None:
    """ImportError for a verl that this was not made for."""
    least, below = (".".join(map(str, each)) for each in SUPPORTED)
    if found is None:
        raise ImportError(f"verl is not installed; pip install 'usergym[verl]' (verl>={least},<{below})")
    numbers = tuple(int(part) for part in found.split("+")[0].split(".")[:3] if part.isdigit())
    if not SUPPORTED[0] <= numbers < SUPPORTED[1]:
        raise ImportError(f"verl {found} is installed, and usergym needs verl>={least},<{below}; install that version")


def _installed() -> str | None:
    try:
        return version("verl")
    except PackageNotFoundError:
        return None


check_version(_installed())

from usergym.training.verl_credit import token_passthrough, turn_estimator  # noqa: E402
from usergym.training.verl_loop import Played, UsergymLoop  # noqa: E402


def compute_score(
    data_source: str, solution_str: str, ground_truth: Any, extra_info: Mapping[str, Any] | None = None
) -> float:
    """For verl's `custom_reward_function`: the reward that the agent loop earned. ValueError where no conversation was
    played: a text by itself has no reward."""
    told = (extra_info or {}).get("usergym_reward")
    if told is None:
        lost = (extra_info or {}).get("usergym_lost")
        why = f"its conversation was not scored ({lost})" if lost else "no conversation was played"
        raise ValueError(
            f"a row of {data_source} has no reward: {why}; conversations are scored while they are played, with "
            "actor_rollout_ref.rollout.agent.default_agent_loop=usergym"
        )
    return float(told)


__all__ = ["Played", "UsergymLoop", "check_version", "compute_score", "token_passthrough", "turn_estimator"]
