"""Flags that say who plays beside a policy in training."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from usergym.cli.models import Models, resolved
from usergym.cli.options import ReachOptions, above_zero, at_least
from usergym.models.sampled import SampledModel
from usergym.rollouts.engine import Cast, Limits
from usergym.types import Sampling

if TYPE_CHECKING:
    from usergym.models.base import Model

FROZEN = "frozen"
"""As a model's name: the policy as it was when training began."""


@dataclass
class CastOptions:
    """Who plays beside the policy, and how long."""

    user_model: str | None = None
    """Model that plays the user: PROVIDER/MODEL, http://HOST:PORT/v1/MODEL, local/smollm2, or frozen: the policy as it
    was at the start. Default: each environment's rule-based user."""
    user_temperature: float | None = None
    """Of the model that plays the user; the server's default unless given."""
    judge_model: str | None = None
    """Model that judges, in environments that ask one; likewise."""
    agent_model: str | None = None
    """With --speaker user, who plays the agent: a model as above, oracle or idle."""
    max_replies: int | None = None
    """End a conversation after so many replies of the agent. Default: what each environment says."""
    max_seconds: float | None = None
    """Wall clock of one conversation; over it is a failure, left out, not a zero."""

    def __post_init__(self) -> None:
        at_least(1, max_replies=self.max_replies)
        at_least(0, user_temperature=self.user_temperature)
        above_zero(max_seconds=self.max_seconds)

    def cast(self, models: Models, frozen: "Model") -> Cast:
        user, judge = (
            None if name is None else frozen if name == FROZEN else models.connect(name)
            for name in (self.user_model, self.judge_model)
        )
        if user and self.user_temperature is not None:
            user = SampledModel(user, Sampling(self.user_temperature))
        return Cast(
            models.agent(self.agent_model) if self.agent_model else None,
            user,
            services={"judge": judge} if judge else {},
            limits=Limits(self.max_replies, seconds=self.max_seconds),
        )

    def told(self, reach: ReachOptions) -> dict[str, Any]:
        """What a resumed run must have alike."""
        told = {
            "user_model": _told(self.user_model, reach),
            "user_temperature": self.user_temperature,
            "judge_model": _told(self.judge_model, reach),
            "agent_model": _told(self.agent_model, reach),
            "max_replies": self.max_replies,
        }
        return {key: value for key, value in told.items() if value is not None}


def _told(name: str | None, reach: ReachOptions) -> object:
    return {"name": FROZEN} if name == FROZEN else resolved(name, reach)
