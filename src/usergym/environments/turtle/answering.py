"""The user who tells the puzzle: answers yes, no, or that it does not matter, by rules or by a model."""

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from string import Template

import msgspec

from usergym.environments.turtle.concepts import NEGATORS, SMALL_WORDS, concepts, stem, words
from usergym.environments.turtle.story import Fact, Story
from usergym.models.base import Model, ModelError
from usergym.types import Message, Seat, Turn, Usage, stable_hash
from usergym.users.base import SimulatorError

YES, NO, IRRELEVANT = "Yes.", "No.", "That does not matter."
UNCLEAR = "I cannot say; ask it in another way."
NOT_A_QUESTION = "Ask me something that I can answer with yes or no."
ONE_THING = "One thing at a time, please."
NEGATED = "Please ask that without a negation."
SAID = {"yes": YES, "no": NO, "irrelevant": IRRELEVANT, "unclear": UNCLEAR, "not_a_question": NOT_A_QUESTION}

LONGEST = 40
"""Words of a question."""
OPEN = frozenset(words("who whom whose what when where why which how"))
COMMON = (
    Fact("Is something supernatural at work?", "no", "supernatural | magic* | ghost* | haunt* | curse* | spirits"),
    Fact("Was it a dream?", "no", "dream* | hallucinat* | imagin*"),
    Fact("Does it take place in a certain country?", "irrelevant", "country | countries | nationality"),
    Fact("Does it matter what the people are called?", "irrelevant", "name matter* | names matter* | names relevant"),
    Fact("Does the weather matter?", "irrelevant", "weather"),
    Fact("Does the season matter?", "irrelevant", "season | time of year | year matter*"),
)
"""What may be asked about every story that says nothing else."""


def reply(question: str, story: Story) -> str:
    """The answer to a question, from the facts whose concepts are all in it; of several, the most specific."""
    asked = words(question)
    if not asked or asked[0] in OPEN:
        return NOT_A_QUESTION
    if len(asked) > LONGEST or "or" in asked:
        return ONE_THING
    if "?" not in question and asked[0] not in _AUXILIARY:
        return NOT_A_QUESTION
    text = f" {' '.join(asked)} "
    found = _fitting(text, story.facts) or _fitting(text, COMMON)
    if not found:
        return by_bottom(asked, story) if not story.facts else UNCLEAR
    best = max(strength for strength, _, _ in found)
    answers = {fact.answer for strength, fact, _ in found if strength == best}
    if len(answers) > 1:
        return ONE_THING
    covered = {word for strength, _, said in found if strength == best for word in said}
    if NEGATORS.intersection(asked[2:]) - covered:
        return NEGATED
    return SAID[answers.pop()]


_AUXILIARY = frozenset(
    words("is are was were do does did has have had can could will would should may might must am isn t aren")
)


def _fitting(text: str, facts: Sequence[Fact]) -> list[tuple[tuple[int, int], Fact, set[str]]]:
    """Facts that a question is about: how specific each is, and the words that say so."""
    found = []
    for fact in facts:
        groups = concepts(fact.on)
        said = [max((m.group() for m in group.regex.finditer(text)), key=len, default="") for group in groups]
        if all(said):
            found.append(((len(groups), sum(map(len, said))), fact, {word for part in said for word in part.split()}))
    return found


def by_bottom(asked: Sequence[str], story: Story) -> str:
    """For a story without facts: yes if all telling words of the question stand in one sentence that denies nothing.
    Such a rule can never say no."""
    given = {stem(word) for word in words(story.surface)}
    telling = {stem(word) for word in asked if word not in SMALL_WORDS | _AUXILIARY}
    if len(telling - given) < 2:
        return UNCLEAR
    for sentence in story.bottom.replace("!", ".").replace("?", ".").split("."):
        there = words(sentence)
        if telling <= {stem(word) for word in there}:
            return UNCLEAR if NEGATORS.intersection(there) else YES
    return UNCLEAR


class KnowingUser:
    """A model that knows the story and picks one of the answers; what it said before is in its view."""

    schema = {
        "type": "object",
        "properties": {"answer": {"type": "string", "enum": list(SAID)}},
        "required": ["answer"],
        "additionalProperties": False,
    }
    attempts = 3

    def __init__(self, model: Model, story: Story, seed: int) -> None:
        self.model = model
        self.seed = seed
        self.seat = Seat(_prompt().substitute(surface=story.surface, bottom=story.bottom), model=model.name)

    async def speak(self, view: Sequence[Message]) -> Turn:
        usage = Usage()
        for attempt in range(self.attempts):
            seed = stable_hash(self.seed, len(view), attempt) & 0x7FFFFFFF
            sampling = msgspec.structs.replace(self.seat.sampling, seed=seed, json_schema=self.schema)
            reply = await self.model.reply(view, (), sampling)
            usage += reply.usage
            if reply.finish == "content_filter":
                raise ModelError("refused", f"{self.model.name} filtered the user's answer")
            said = _chosen(reply.message.content)
            if reply.finish == "stop" and said:
                return Turn("user", reply.message, heard=said, tokens=reply.tokens, usage=usage)
        raise SimulatorError(f"{self.model.name} gave none of {', '.join(SAID)} in {self.attempts} attempts")


def _chosen(written: str) -> str | None:
    try:
        found = msgspec.json.decode(written)
    except (msgspec.DecodeError, RecursionError):
        return None
    answer = found.get("answer") if isinstance(found, dict) else None
    return SAID.get(answer) if isinstance(answer, str) else None


@cache
def _prompt() -> Template:
    path = files("usergym.environments.turtle") / "prompts" / "user.md"
    return Template(path.read_text(encoding="utf-8").strip())
