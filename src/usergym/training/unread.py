"""When a run learns noise because its model does not read the reactions: what its first figures say of it."""

from collections.abc import Mapping
from statistics import fmean
from typing import Any

STEPS = 10
"""The first of a run. Later a reaction says less for a good reason: what it asks for is already done."""
MORE = 1.03
"""Up to so many times the effect of an unrelated remark nothing is read. docs/results/learning_sdpo.md has this ratio
of runs that learned, and of those that did not."""
EFFECT, CONTROL = "sdpo/effect", "sdpo/control_effect"


class Unread:
    """Holds the effects of reactions and of controls in a run's first steps."""

    def __init__(self) -> None:
        self.steps: list[tuple[float, float]] = []
        self.told = False

    def after(self, step: int, logs: Mapping[str, Any]) -> str | None:
        """What there is to say after a step that was logged so; once a run."""
        effect, control = logs.get(EFFECT), logs.get(CONTROL)
        if self.told or step > STEPS or effect is None or control is None:
            return None
        self.steps.append((effect, control))
        if step < STEPS:
            return None
        self.told = True
        reaction, unrelated = (fmean(each) for each in zip(*self.steps, strict=True))
        if reaction > MORE * unrelated:
            return None
        return _MEANS.format(steps=len(self.steps), reaction=reaction, unrelated=unrelated)


_MEANS = (
    "in {steps} steps reactions moved the model hardly more than unrelated remarks did ({reaction:.3g} nats a token "
    "against {unrelated:.3g}): it does not read them, or they say nothing about the replies, and what is learned is "
    "noise. Take a model that reads reactions (usergym signal shows whether one does), or teach it first: usergym "
    "train sft on replies behind the reactions that ask for them"
)
