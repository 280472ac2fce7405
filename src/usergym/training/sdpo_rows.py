"""Which replies of a batch are scored in hindsight, and behind which contexts."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from usergym.training.chat import Chat
from usergym.training.hindsight import template_of
from usergym.training.reactions import Drifted, Reply
from usergym.training.sdpo_config import SdpoConfig
from usergym.types import Tool, stable_hash
from usergym.users.styles.reacting import lines

UNRELATED = lines().unrelated
"""Reactions that have nothing to do with any reply."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A reaction that other processes may use as a sibling's or a stranger's."""

    sample: int
    group: str
    context: int
    """A hash of the ids that the reply was sampled behind."""
    reaction: str


@dataclass(frozen=True, slots=True)
class Answered:
    """A sampled reply of a conversation of this batch."""

    member: int
    """Its place among the conversations of this process."""
    place: int
    """Its place among the replies of its conversation."""
    sample: int
    group: str
    """Of the replies to one task: its environment and its id."""
    reply: Reply
    tools: Sequence[Tool]
    start: int
    """Where it begins in the completion."""

    @property
    def context(self) -> int:
        return stable_hash(self.group, str(self.reply.context))

    def offer(self) -> Offer:
        return Offer(self.sample, self.group, self.context, self.reply.reaction)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked about one reply."""

    answered: Answered
    reaction: str = ""
    source: int = -1
    """The sample whose reply got the reaction."""
    hindsight: list[int] | None = None
    """(x, o)"""
    control: list[int] | None = None
    control_said: str | None = None
    """What stands in the reaction's place there."""
    left_out: str = ""
    """Why nothing is learned from it: `cut` (the reply, which nobody then answers), `unanswered`, `too_long` (the
    reaction), `no_room` (in the model's window), `no_sibling`, `no_stranger`, `drifted` (recorded with another chat
    template or tokenizer)."""


class Planner:
    def __init__(self, chat: Chat, config: SdpoConfig, window: int) -> None:
        self.chat = chat
        self.config = config
        self.window = window
        self.template = template_of(str(config.template))

    def plan(self, answered: Sequence[Answered], offers: Sequence[Offer]) -> list[Asked]:
        """One for each reply. `offers` are those of all processes."""
        return [self._asked(each, offers) for each in answered]

    def _asked(self, each: Answered, offers: Sequence[Offer]) -> Asked:
        random = Random(stable_hash("sdpo", self.config.seed, each.sample, each.reply.turn))
        offer = each.offer()
        if not offer.reaction and not self.chat.ended(each.reply.ids):
            return Asked(each, left_out="cut")
        if self.config.cross_fit:
            others = [o for o in offers if o.context == offer.context and o.sample != each.sample and o.reaction]
            if not others:
                return Asked(each, left_out="no_sibling")
            offer = random.choice(others)
        if not offer.reaction:
            return Asked(each, left_out="unanswered")
        control = None
        if self.config.control == "shuffled":
            strangers = [o for o in offers if o.group != each.group and o.reaction]
            if not strangers:
                return Asked(each, left_out="no_stranger")
            control = random.choice(strangers).reaction
        elif self.config.control == "empty":
            control = ""
        elif self.config.control == "unrelated" or self.config.gate:
            control = random.choice(UNRELATED)
        return self._written(each, offer, control)

    def _written(self, each: Answered, offer: Offer, control: str | None) -> Asked:
        try:
            contexts = [
                None if text is None else each.reply.behind(self.chat, text, self.template, each.tools)
                for text in (offer.reaction, control)
            ]
        except Drifted:
            return Asked(each, left_out="drifted")
        except ValueError:
            return Asked(each, left_out="too_long")
        if max(len(ids) for ids in contexts if ids is not None) + len(each.reply.ids) > self.window:
            return Asked(each, left_out="no_room")
        return Asked(each, offer.reaction, offer.sample, contexts[0], contexts[1], control)
