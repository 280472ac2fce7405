"""What the gyms have in common: one action contract in two forms, and two scales of reward.

`interact`: one tool, `interact_with_env{choice, content}`, with the choices action, search, answer and finish; what the
user replies is its result. `native`: named tools, and words that are spoken. The same acts give the same user view, the
same feedback and the same rewards.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any, ClassVar, Literal

import msgspec

from usergym.environments.base import Environment, Say, World
from usergym.types import Reward, Speaker, Task, Tool, ToolCall

Actions = Literal["interact", "native"]
Preset = Literal["usergym", "userrl"]

INTERACT = "interact_with_env"
MAX_STEPS = 16
"""Replies of the agent in one conversation, as UserRL trains and evaluates."""


LONGEST = 8_000
"""Characters of one act."""


class _Interact(msgspec.Struct, forbid_unknown_fields=False):
    choice: str
    content: str | int | float | dict[str, Any] | list[Any] | None = ""


_interact = msgspec.json.Decoder(_Interact)


class Gym(Environment):
    """`actions`: the form of the action contract. `preset`: whose rewards count; the other's are recorded with weight
    0. `max_steps`: the agent's replies in one conversation."""

    def __init__(self, actions: Actions = "interact", preset: Preset = "usergym", max_steps: int = MAX_STEPS) -> None:
        if max_steps < 1:
            raise ValueError(f"max_steps={max_steps}: expected 1 or more")
        self.actions: Actions = actions
        self.preset: Preset = preset
        self.max_replies = max_steps


class GymWorld(World):
    """A conversation of a gym. A subclass says what its choices do; its methods marked `@tool()` are the native form
    and call the same methods."""

    choices: ClassVar[Mapping[str, str]] = {}
    """What the agent may choose, and what its content is then. `finish` is always there."""

    def __init__(self, task: Task, gym: Gym) -> None:
        super().__init__(task)
        self.gym = gym

    def secrets(self) -> Sequence[str]:
        """Texts that the agent must not be shown before it has earned or said them."""
        return ()

    # What a choice does: the text that the agent gets, or Say(words) to the user, whose reply it gets then.

    async def act(self, content: str) -> str:
        """`action`: by default the words go to the user."""
        return Say(content)

    async def look(self, content: str) -> str:
        """`search`"""
        return "Error: there is nothing to search here."

    async def submit(self, content: str) -> str:
        """`answer`"""
        return "Error: no answer is wanted here."

    async def give_up(self) -> str:
        """`finish`: the hidden solution is not told."""
        self.stop = "finished"
        return "The conversation is over."

    @property
    def system(self) -> str:
        return prompt(type(self).__module__, self.gym.actions)

    def tools(self, speaker: Speaker) -> Sequence[Tool]:
        if speaker == "assistant" and self.task.tools is None and self.gym.actions == "interact":
            return (interact_tool(tuple(self.choices.items())),)
        return super().tools(speaker)

    async def call(self, speaker: Speaker, call: ToolCall) -> str:
        if len(call.arguments) > 4 * LONGEST:
            return f"Error: {len(call.arguments):,} characters of arguments are too many; give at most {LONGEST:,}."
        if speaker != "assistant" or self.gym.actions != "interact":
            return await super().call(speaker, call)
        if call.name != INTERACT:
            return f"Error: no tool named {call.name[:80]!r}. Tools: {INTERACT}."
        offered = (*self.choices, "finish")
        try:
            given = _interact.decode(call.arguments or "{}")
        except (msgspec.MsgspecError, RecursionError) as error:
            return f"Error: arguments of {INTERACT}: {error}. Give choice ({', '.join(offered)}) and content."
        choice = given.choice.strip().strip("[]").lower()
        if choice not in offered:
            return f"Error: choice {given.choice[:80]!r} is none of {', '.join(offered)}."
        content = given.content
        words = (
            content if isinstance(content, str) else "" if content is None else msgspec.json.encode(content).decode()
        )
        if len(words) > LONGEST:
            return f"Error: content has {len(words):,} characters; give at most {LONGEST:,}."
        words = words.strip().removeprefix(f"[{choice}]").strip()
        if choice == "finish":
            return await self.give_up()
        if not words:
            return f"Error: content is empty; for {choice} it is {self.choices[choice]}."
        match choice:
            case "search":
                return await self.look(words)
            case "answer":
                return await self.submit(words)
        return await self.act(words)

    def earn(self, value: float | None, userrl: float | None = None, reason: str = "") -> None:
        """Credits the agent's latest reply: `value` on our scale, where a perfect conversation sums to 1, and `userrl`
        on theirs. None: a judge failed, so it is not scored."""
        ours = self.gym.preset == "usergym"
        self.reward("score", value, weight=float(ours), reason=reason)
        self.reward("userrl", value if userrl is None else userrl, weight=float(not ours), reason=reason)

    def ended(self, success: bool | None) -> list[Reward]:
        """For `score`: 1 if the goal was reached, recorded only; and a 0 that counts, so that a conversation in which
        nothing was earned is scored."""
        reached = None if success is None else float(success)
        return [Reward("earned", 0.0), Reward("success", reached, weight=0.0)]


@cache
def interact_tool(choices: tuple[tuple[str, str], ...]) -> Tool:
    described = "; ".join(f"{choice}: {content}" for choice, content in choices)
    properties = {
        "choice": {"type": "string", "enum": [*(choice for choice, _ in choices), "finish"]},
        "content": {"type": "string", "description": f"{described}; finish: nothing, it ends the conversation."},
    }
    schema = {"type": "object", "properties": properties, "required": ["choice", "content"]}
    return Tool(INTERACT, "Act on the environment: say what kind of act it is, and its content.", schema)


@cache
def prompt(module: str, actions: Actions) -> str:
    """The agent's system prompt: `prompts/system.md` of the gym's package (or `prompts/NAME.md` beside its file), with
    the passage on how to act filled in."""
    package, _, name = module.rpartition(".")
    inside = files(package if package != "usergym.environments" else "usergym.environments") / "prompts"
    file = inside / (f"{name}.md" if package == "usergym.environments" else "system.md")
    how = (files("usergym.environments") / "prompts" / f"_{actions}.md").read_text(encoding="utf-8").strip()
    return Template(file.read_text(encoding="utf-8").strip()).substitute(how_to_act=how)
