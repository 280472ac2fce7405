"""The judge that needs no model: the exact scorers of the styles say which reply keeps them better."""

from collections.abc import Callable, Sequence

from usergym.judges.pairwise import without_asking
from usergym.judges.verdicts import Verdict, alike
from usergym.types import Message
from usergym.users.styles.rules import score
from usergym.users.styles.spec import StyleSpec

MARGIN = 0.05


class RuleJudge:
    """A win where our reply's score is larger by more than `margin`, a tie where neither is. `cannot_tell` where no
    rule of the styles is exact. `amiss(request, reply)` says why a reply is none to its request, whose score is then 0:
    no taste is met by saying something else. Order does not matter to this judge."""

    name = "rules"
    fingerprint = ""

    def __init__(
        self, styles: Sequence[StyleSpec], margin: float = MARGIN, amiss: Callable[[str, str], str] | None = None
    ) -> None:
        """ValueError for a margin that is none."""
        if not 0 <= margin < 1:
            raise ValueError(f"margin {margin}: give a number from 0 to 1, below 1")
        self.styles = tuple(styles)
        self.margin = margin
        self.amiss = amiss

    async def compare(self, request: Sequence[Message], ours: str, theirs: str) -> Verdict:
        asked = next((message.content for message in reversed(request) if message.role == "user"), "")
        mine, other = self.score(asked, ours), self.score(asked, theirs)
        if mine is None or other is None:
            return alike("cannot_tell", why="no rule of the style is exact")
        if decided := without_asking(ours, theirs):
            return decided
        if abs(mine - other) <= self.margin + 1e-9:
            return alike("tie", why=f"{mine:.3f} against {other:.3f}")
        return alike("win" if mine > other else "loss", why=f"{mine:.3f} against {other:.3f}")

    def score(self, request: str, reply: str) -> float | None:
        """From 0 to 1; None where no rule is exact."""
        value = score(self.styles, reply)
        return 0.0 if value is not None and self.amiss and self.amiss(request, reply) else value
