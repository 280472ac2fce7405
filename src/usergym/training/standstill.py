"""When a run learns nothing because no group differs: what its figures say of it, and what to do."""

from collections.abc import Mapping
from typing import Any

STEPS = 10
"""In a row without one group whose rewards differ, before it is said."""
ALIKE = "frac_reward_zero_std"
"""The share of groups whose rewards are all the same."""
REPLIES, KEPT = "states/replies/", "kept"
"""The share of replies that kept to what was asked, and of each reason why not."""


def replies(logs: Mapping[str, Any]) -> dict[str, float]:
    """What became of the replies of a step, the commonest first; {} where nothing of it was logged."""
    found = {
        key.removeprefix(REPLIES): float(value)
        for key, value in logs.items()
        if key.startswith(REPLIES) and isinstance(value, (int, float))
    }
    return dict(sorted(found.items(), key=lambda each: -each[1]))


def kept(logs: Mapping[str, Any]) -> str:
    """What a line of a step says of it: nothing where all replies kept to what was asked."""
    found = replies(logs)
    share = found.pop(KEPT, 0.0)
    if not found:
        return ""
    return f"kept {share:.2f} ({', '.join(f'{why} {each:.2f}' for why, each in found.items())})"


class Standstill:
    """Counts steps in a row in which no group differed."""

    def __init__(self) -> None:
        self.steps = 0
        self.told = False

    def after(self, logs: Mapping[str, Any]) -> str | None:
        """What there is to say after a step that was logged so; once a run."""
        if ALIKE not in logs or self.told:
            return None
        self.steps = self.steps + 1 if logs[ALIKE] == 1 else 0
        self.told = self.steps >= STEPS
        return f"{_MEANS.format(steps=STEPS)}; {_remedy(replies(logs))}" if self.told else None


_MEANS = (
    "in {steps} steps no group differed: all replies to a task were worth the same, so nothing was learned, since a "
    "reply is compared with the others of its group only"
)


def _remedy(found: Mapping[str, float]) -> str:
    wrong = {why: share for why, share in found.items() if why != KEPT}
    if wrong and found.get(KEPT, 0.0) < 0.5:
        why, share = next(iter(wrong.items()))
        room = "give replies more room (--max-tokens, or max_tokens of the levels), or " if why == "truncated" else ""
        return (
            f"most replies do not keep to what was asked ({why} {share:.2f}): {room}begin with a model that knows the "
            "form (usergym train sft on the sft/ files of usergym prepare users)"
        )
    return "give a larger --group or --temperature, other tasks, or a judge that tells replies apart (--judge-model)"
