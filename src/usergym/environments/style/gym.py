"""The style environment: a request, a reply, and a user whose taste says what the way of replying is worth."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any, Literal

import msgspec

from usergym.environments.base import Environment, World
from usergym.environments.style import rows
from usergym.environments.style.oracle import Oracle, refuse_contradictions
from usergym.environments.style.prompt_files import read_prompts
from usergym.environments.style.topical import amiss
from usergym.models.base import Model
from usergym.types import Reward, Seat, Task
from usergym.users.base import Participant
from usergym.users.styles.reacting import SAMPLING, Exchange, ModelReactor, RuleReactor, UnrelatedReactor
from usergym.users.styles.rules import score, verdicts
from usergym.users.styles.spec import parse


class Style(Environment):
    """Users with a taste in how replies are written: they ask, and react to the reply by their taste.

    `style`: names, `a+b` for both at once, `a>b` for one after the other, of which each lasts `every` tasks. `turns`:
    replies of the agent, each with a reaction. `prompts`: a file of requests of one's own, of which `held_out` is the
    share that is kept for each of validation and test. `show`: the tastes are in the agent's prompt. `reactions`: by
    the style, or `unrelated` to it, a control. `reaction_tokens`: the longest reaction of a user played by a model.
    """

    name = rows.NAME

    def __init__(
        self,
        style: str = "concise_casual_beginner",
        turns: int = 1,
        every: int = 500,
        prompts: str = "",
        held_out: float = 0.1,
        show: bool = False,
        reactions: Literal["style", "unrelated"] = "style",
        reaction_tokens: int = 128,
    ) -> None:
        for option, given in (("turns", turns), ("every", every), ("reaction_tokens", reaction_tokens)):
            if given < 1:
                raise ValueError(f"{option}={given}: expected 1 or more")
        if not 0 <= held_out <= 0.5:
            raise ValueError(f"held_out={held_out}: expected a share from 0 to 0.5")
        self.plan = parse(style)
        for stage in self.plan.stages:
            refuse_contradictions(stage)
        self.turns = turns
        self.max_replies = 2 * turns
        self.every = every
        self.prompts = read_prompts(prompts) if prompts else ()
        self.held_out = held_out
        self.show = show
        self.reactions = reactions
        self.sampling = msgspec.structs.replace(SAMPLING, max_tokens=reaction_tokens)

    def tasks(self, split: str | None = None, seed: int = 0) -> Iterator[Task]:
        """Unlimited, the topic is the group; or the rows of `prompts`, in an order drawn from the seed."""
        if self.prompts:
            return rows.of_prompts(self.prompts, self.plan, self.every, self.held_out, split, seed)
        return rows.generated(self.plan, self.every, split, seed)

    def read(self, row: Mapping[str, Any]) -> Task:
        return rows.read(row, self.plan)

    def content_keys(self, task: Task) -> Iterable[str]:
        return [rows.request_of(task)]

    def start(self, task: Task) -> "StyleWorld":
        return StyleWorld(task, self)


class StyleWorld(World):
    def __init__(self, task: Task, gym: Style) -> None:
        super().__init__(task)
        self.gym = gym
        self.styles = rows.styles_of(task)
        self.request = rows.request_of(task)
        self.subject = "\n".join(turn.said for turn in task.opening)
        """What a reply has to be about."""
        self.opening = sum(bool(turn.said) for turn in task.opening)
        """Turns that were said before the agent's first reply."""
        self.heard = 0
        self.replies = 0
        self.latest = ""
        self.weights = weights(gym.turns)
        self.kept: list[float | None] = []
        """The style reward of each reply."""

    @property
    def system(self) -> str:
        parts = [str(self.task.data.get("system") or "")]
        if self.gym.show:
            taste = "\n\n".join(style.persona.strip() for style in self.styles)
            parts.append(_prompt("shown").substitute(taste=taste))
        return "\n\n".join(filter(None, parts))

    def secrets(self) -> Sequence[str]:
        """The tastes, unless they are shown."""
        return () if self.gym.show else [style.persona.strip() for style in self.styles]

    def exchange(self) -> Exchange:
        answers = not amiss(self.subject, self.latest)
        return Exchange(self.styles, self.request, self.latest, answers, self.replies < self.gym.turns)

    def user(self, model: Model | None) -> Participant:
        if self.gym.reactions == "unrelated":
            return UnrelatedReactor(self.exchange, self.seed)
        if model is None:
            return RuleReactor(self.exchange, self.seed)
        return ModelReactor(self.exchange, model, self.seed, self.gym.sampling)

    def oracle(self) -> Participant:
        return Oracle(Seat(self.system, model="oracle"), self.styles, self.request)

    async def hears(self, speaker: str, words: str) -> None:
        self.heard += 1
        if self.heard <= self.opening:
            return
        if speaker == "assistant":
            self.latest = words
            self.replies += 1
            self.grade(words)
        elif self.replies >= self.gym.turns:
            self.stop = "reacted"

    def grade(self, words: str) -> None:
        """What the exact rules say about a reply. Without any, no reward is given, which is not a reward of 0."""
        value = score(self.styles, words)
        reason = amiss(self.subject, words)
        self.reward("on_topic", float(not reason), weight=0.0, reason=reason)
        self.kept.append(None if value is None else 0.0 if reason else value)
        if value is None or self.replies > self.gym.turns:
            return
        found = verdicts(self.styles, words)
        broken = "; ".join(f"{each.rule}: {each.what}" for each in found if each.score < 1)
        weight = self.weights[self.replies - 1]
        self.reward("style", 0.0 if reason else value, weight=weight, reason=reason or broken)
        for each in found:
            self.reward(f"rule_{each.rule}", each.score, weight=0.0, reason=each.what)

    async def score(self) -> list[Reward]:
        """Replies that were never given, or were cut off, earn nothing; `success` is 1 if all rules are kept in all
        replies. Nothing where no rule is exact."""
        if score(self.styles, "") is None:
            return []
        missing = max(0, self.gym.turns - self.replies)
        success = not missing and all(value == 1 for value in self.kept)
        rewards = [Reward("success", float(success), weight=0.0)]
        if missing:
            weight = sum(self.weights[self.replies :])
            rewards.append(
                Reward("style", 0.0, weight=weight, reason=f"{missing} of {self.gym.turns} replies were not given")
            )
        return rewards


def weights(turns: int) -> list[float]:
    """1/turns each; the last one such that they add up to exactly 1."""
    most = [1 / turns] * (turns - 1)
    return [*most, 1 - sum(most)]


@cache
def _prompt(name: str) -> Template:
    path = files("usergym.environments.style") / "prompts" / f"{name}.md"
    return Template(path.read_text(encoding="utf-8").strip())
