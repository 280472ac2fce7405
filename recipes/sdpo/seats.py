"""The strings that name models in a script, as usergym names them."""

from pathlib import Path
from typing import Any

from usergym.cli.eval_style_models import refuse_unreachable
from usergym.cli.options import ReachOptions
from usergym.models.providers import PROVIDERS, SAME
from usergym.training import checkpoints
from usergym.training.checkpoints import Checkpoint

CHECKPOINT, FROZEN, RULES = "checkpoint/", "frozen", "rules"
UNTHINKING = "{%- set enable_thinking = false %}\n"
"""In front of a chat template that has the switch."""


def seated(name: str, policy: str = "") -> str | None:
    """Of a user or a judge; None for rules. The policy's own name is the policy as it was at the start; a folder or a
    hub id runs in this process; PROVIDER/MODEL and URLs are asked."""
    if name in ("", RULES):
        return None
    if policy and name in (policy, FROZEN):
        return FROZEN
    first = name.partition("/")[0]
    asked = name.startswith(("http://", "https://", CHECKPOINT)) or first in {*PROVIDERS, *SAME}
    return name if asked else f"{CHECKPOINT}{name}"


def reachable(seat: str | None) -> None:
    """LookupError or ValueError for a model that is not there, StopRun for a missing key."""
    if seat not in (None, FROZEN):
        refuse_unreachable(seat, ReachOptions())


def here(seat: str | None, policy: str = "") -> str | None:
    """The checkpoint whose weights a seat has in this process."""
    if seat == FROZEN:
        return policy
    return seat.removeprefix(CHECKPOINT) if seat and seat.startswith(CHECKPOINT) else None


def found(name: str) -> Checkpoint | None:
    """None for a hub id that is not on this machine yet."""
    there = checkpoints.find(name)
    return None if there.kind == "hub" else there


def tokenizer(name: str, wait: bool) -> Any:
    """None where it would have to be downloaded and `wait` is False."""
    there = checkpoints.find(name)
    return None if there.kind == "hub" and not wait else checkpoints.tokenizer(there)


def unthinking(tokenizer: Any) -> str | None:
    """The chat template with its switch for reasoning off; None for one that has no such switch."""
    own = tokenizer.chat_template
    text = own.get("default") if isinstance(own, dict) else own
    return UNTHINKING + text if text and "enable_thinking" in text else None


def write_template(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
