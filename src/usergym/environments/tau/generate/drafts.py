"""A task from wishes: each is drawn so that the policy decides it, and its calls are made to see that they work."""

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

from usergym.environments.tau import wording
from usergym.environments.tau.desk import Desk
from usergym.environments.tau.domain import Domain
from usergym.environments.tau.tools import TRANSFER

Call = dict[str, Any]


class Draft(NamedTuple):
    """One wish, and what should be done about it."""

    say: str
    """Continues "I would like to"."""
    reads: Sequence[Call] = ()
    """What has to be looked up before."""
    write: Call | None = None
    outputs: Sequence[str] = ()
    forbidden: bool = False
    transfer: str = ""
    """The summary with which it is handed over."""
    touched: str = ""
    """The order or reservation it is about; a task has one wish about each."""


Kind = Callable[[Random, Desk, str], Draft | None]
"""Draws a wish of a customer, or None where this customer cannot have such a wish."""


def call(name: str, **arguments: Any) -> Call:
    return {"name": name, "arguments": arguments}


def wanted(desk: Desk, write: Call, reads: Sequence[Call], why: str = "", touched: str = "") -> Draft:
    """A wish that its call says all about. `why`: what the customer adds."""
    return Draft(wording.wish(desk, write) + why, reads, write, touched=touched)


def draw(random: Random, domain: Domain, user_id: str, kinds: Mapping[str, tuple[int, Kind]]) -> dict[str, Any]:
    """The data of a task: `kinds` are drawn by weight until one suits the customer. Some have a second wish."""
    desk = domain.desk()
    drafts: list[Draft] = []
    most = 2 if random.random() < 0.4 else 1
    names, weights = list(kinds), [weight for weight, _ in kinds.values()]
    while len(drafts) < most:
        draft = kinds[random.choices(names, weights)[0]][1](random, desk, user_id)
        if draft is None or any(draft.touched == other.touched for other in drafts):
            if drafts and random.random() < 0.2:
                break
            continue
        ends = draft.transfer or draft.forbidden
        if ends and drafts and drafts[0].outputs:
            break
        if draft.write:
            answer = desk.call(draft.write["name"], draft.write["arguments"])
            assert not answer.startswith("Error"), (user_id, draft.write, answer)
        drafts.append(draft)
        if ends:
            break
    return _data(random, domain, user_id, drafts)


def _data(random: Random, domain: Domain, user_id: str, drafts: Sequence[Draft]) -> dict[str, Any]:
    forbidden = any(draft.forbidden for draft in drafts)
    insists = random.choice((0, 1, 1, 2)) if forbidden else 0
    actions = _who(domain, user_id)
    for draft in drafts:
        actions += [each for each in draft.reads if each not in actions]
        actions += [draft.write] if draft.write else []
    actions += [call(TRANSFER, summary=draft.transfer) for draft in drafts if draft.transfer]
    data: dict[str, Any] = {
        "user_id": user_id,
        "instruction": _instruction(domain, user_id, drafts, insists),
        "actions": actions,
        "outputs": [output for draft in drafts for output in draft.outputs],
        "wishes": [_wish(draft) for draft in drafts],
    }
    if forbidden:
        data |= {"forbidden": True, "insists": insists}
    return data


def _who(domain: Domain, user_id: str) -> list[Call]:
    known = call("get_user_details", user_id=user_id)
    if domain.name == "airline":
        return [known]
    return [call("find_user_id_by_email", email=domain.tables["users"][user_id]["email"]), known]


def _wish(draft: Draft) -> dict[str, Any]:
    wish: dict[str, Any] = {"say": draft.say}
    if draft.write:
        wish["call"] = draft.write
    if draft.outputs:
        wish["outputs"] = list(draft.outputs)
    return wish


def _instruction(domain: Domain, user_id: str, drafts: Sequence[Draft], insists: int) -> str:
    lines = [
        f"What you tell when you are asked who you are: {wording.identity(domain.desk(), user_id)}",
        "What you want, one after the other, in your words:",
        *(f"{place}. I would like to {draft.say}." for place, draft in enumerate(drafts, 1)),
    ]
    if insists:
        lines.append(f"When it is refused you insist {'once' if insists == 1 else 'twice'}, then you accept it.")
    return "\n".join(lines)
