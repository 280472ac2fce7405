"""Whether what an agent did comes out as what should have been done."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from usergym.environments.workplace.answers import is_answered, rival_texts
from usergym.environments.workplace.effects import differences, is_untouched
from usergym.environments.workplace.lookups import Fact, facts, needed, subjects
from usergym.environments.workplace.nemo_verdict import same_frames
from usergym.environments.workplace.office import Office
from usergym.environments.workplace.state import State
from usergym.environments.workplace.tools import WRITES
from usergym.environments.workplace.tools.boards import BOARDS, LISTS
from usergym.environments.workplace.tools.customers import PRODUCTS, STATUSES
from usergym.environments.workplace.tools.traffic import SOURCES

Mode = Literal["state", "nemo_gym"]
Call = Mapping[str, Any]
"""`name`, and `arguments` as JSON text or an object."""

_SHOWN = 5
"""Differences that are told; the others are counted."""


def outcome_reward(
    predicted: Sequence[Call], ground_truth: Sequence[Call], office: Office, mode: Mode = "state"
) -> float:
    """1.0 if the calls in `predicted` do what those in `ground_truth` do, in an office like `office`, else 0.0;
    `office` is left as it was.

    `state`: the end states hold the same, whatever the order and the spelling of dates; where nothing is to be
    changed, nothing was, and what the ground truth looks up was looked up. `nemo_gym`: that system's verdict, in
    which row order and index count, and a task that only reads is won by doing nothing.
    """
    if mode == "nemo_gym":
        return float(same_frames(_replayed(predicted, office), _replayed(ground_truth, office)))
    after = office.fresh()
    made = [(name, arguments, after.call(name, arguments)) for name, arguments in map(read_call, predicted)]
    return float(not judge(after, made, ground_truth))


def judge(
    after: Office,
    made: Iterable[tuple[str, Mapping[str, Any], Any]],
    ground_truth: Sequence[Call],
    answer: Sequence[str] | None = None,
    words: str = "",
    request: str = "",
) -> str:
    """Why the outcome is not what it should be, "" if it is. `made`: the calls that led to the office `after`, with
    their outputs. `answer`: values that must stand in the agent's last `words`; what the
    `request` says itself is no guess."""
    wanted = after.fresh()
    calls = [read_call(call) for call in ground_truth]
    for name, arguments in calls:
        if name in WRITES:
            wanted.call(name, arguments)
    if found := differences(after, wanted):
        more = len(found) - _SHOWN
        return "; ".join([*found[:_SHOWN], *([f"and {more} more"] if more > 0 else [])])
    if not answer and not is_untouched(wanted):
        return ""
    shown = _learned([(name, arguments, wanted.call(name, arguments)) for name, arguments in calls])
    learned = _learned(made)
    if answer:
        if not is_answered(answer, words, request, rivals(after)):
            return f"not answered: it does not tell {', '.join(map(str, answer))}"
        # It may be found in another way than the ground truth's, but not without looking at the same things.
        return "" if subjects(needed(shown)) & subjects(learned) else "not looked up: what the answer is about"
    if not calls:  # nothing was to be done, which an agent can only know from looking
        return "" if any(not fact[-1].startswith("Error") for fact in learned) else "nothing was looked up"
    if missing := needed(shown) - learned:
        return f"not looked up: {len(missing)} of {len(needed(shown))} values, such as {' '.join(min(missing))[:120]}"
    return ""


def _learned(made: Iterable[tuple[str, Mapping[str, Any], Any]]) -> set[Fact]:
    return set().union(*(facts(name, arguments, output) for name, arguments, output in made))


def rivals(office: State) -> list[str]:
    """Texts that one may guess where an answer is a name: colleagues, sources of traffic, the words of lists."""
    words = (*SOURCES, *LISTS, *BOARDS, *STATUSES, *PRODUCTS)
    return [*words, *rival_texts(office.directory)]


def read_call(call: Call) -> tuple[str, Mapping[str, Any]]:
    """The name and the arguments; what cannot be read is left for the tool to refuse."""
    arguments = call.get("arguments")
    if isinstance(arguments, str):
        try:
            arguments = msgspec.json.decode(arguments or "{}")
        except (msgspec.DecodeError, RecursionError):
            arguments = {"arguments": "not JSON"}
    if not isinstance(arguments, Mapping):
        arguments = {}
    # No tool takes a list or an object; what is deeply nested must not be walked through.
    plain_ones = {str(name): value for name, value in arguments.items() if not isinstance(value, list | dict)}
    nested = {str(name): type(value).__name__ for name, value in arguments.items() if isinstance(value, list | dict)}
    return str(call.get("name")), plain_ones | nested


def _replayed(calls: Sequence[Call], office: Office) -> Office:
    after = office.fresh()
    for name, arguments in map(read_call, calls):
        if name in WRITES:
            after.call(name, arguments)
    return after
