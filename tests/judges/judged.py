"""What the judges' tests share: the material of a question as a judge reads it, and judges that mark by rules."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from usergym.judges.key_points import KeyPoints
from usergym.models.fake import Answer, FakeModel

TRUTH = "I am for the ferry. It brings people together."
POINTS = KeyPoints(("HUMAN supports the ferry", "The ferry brings people together"))
DESC = "how far HUMAN agrees with what is talked about"


def material(question: str) -> dict[str, Any]:
    """The JSON between the marks of a question, of which there must be one piece."""
    found = re.findall(r"^<<<(\w{16})\n(.*?)\n>>>\1$", question, re.DOTALL | re.MULTILINE)
    assert len(found) == 1
    read = json.loads(found[0][1])
    assert isinstance(read, dict)
    return read


def verdict(match: float, penalty: float = 0.0, relation: str = "partial", points: int = 2) -> dict[str, Any]:
    return {**{f"p{n}": match for n in range(1, points + 1)}, "penalty": penalty, "relation": relation}


def marking(mark: Callable[[str], Any]) -> FakeModel:
    """A judge that gives each text what `mark` makes of it."""

    def answer(messages: Any, tools: Any, sampling: Any) -> str:
        shown = material(messages[-1].content)["texts"]
        return json.dumps({label: mark(text) for label, text in shown.items()})

    return FakeModel(answer)


def by_length(text: str) -> dict[str, Any]:
    """A verdict that tells which text it was given for: a tenth for each character, at most 1."""
    return verdict(min(10, len(text)) / 10)


def saying(*answers: Answer | Mapping[str, Any]) -> FakeModel:
    """A judge that says these in turn."""
    left = [json.dumps(answer) if isinstance(answer, Mapping) else answer for answer in answers]
    return FakeModel(lambda messages, tools, sampling: left.pop(0))


def failing(error: BaseException) -> FakeModel:
    def answer(messages: Any, tools: Any, sampling: Any) -> str:
        raise error

    return FakeModel(answer)
