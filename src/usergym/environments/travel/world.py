"""One conversation of the travel gym: what was searched, voiced and chosen, and what it earned."""

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

import msgspec

from usergym.environments._gym import Gym, GymWorld
from usergym.environments.base import tool
from usergym.environments.travel import asking, judging, pay, searching
from usergym.environments.travel.blocks import Block, Preference
from usergym.environments.travel.library import AspectName, by_letter, library
from usergym.environments.travel.oracle import Act, Oracle, query
from usergym.environments.travel.users import ModelTraveller, Talk, Topic, Traveller
from usergym.models.base import Model
from usergym.types import Reward, Seat, Task
from usergym.users.base import Participant

PATIENCE = 3
"""Messages in a row that brought up no preference, after which the traveller brings one up."""

FAILING = 5
"""Under the preset `userrl` every fifth search fails."""

_ID = re.compile(r"(?<![A-Za-z0-9])([ACFHRacfhr])(\d{1,4})(?![A-Za-z0-9])")
_STRICT_ID = re.compile(r"[ACFHR]\d+")


class TravelWorld(GymWorld):
    choices: ClassVar[Mapping[str, str]] = {
        "action": "words to the traveller; ask about one particular thing",
        "search": "a search of the database for one kind of thing, with all that was said about it",
        "answer": "the id of one option that you recommend",
    }

    def __init__(self, task: Task, gym: Gym, blocks: Sequence[Block], userrl: pay.Table, model_judges: bool) -> None:
        super().__init__(task, gym)
        self.blocks = blocks
        self.userrl = userrl
        self.model_judges = model_judges
        self.talk = Talk()
        self.every: Sequence[Preference] = [each for block in blocks for each in block.preferences]
        self.unvoiced = list(self.every)
        """Preferences that can still be voiced: those of aspects that are chosen are gone."""
        self.quiet = 0
        """Messages in a row that brought up no preference."""
        self.searches = 0
        self.found: set[AspectName] = set()
        self.paid: dict[AspectName, float] = {}
        """What the choice of each aspect was worth: 1, 0.8 or 0."""
        self.shares = pay.shares(len(blocks), len(self.every))

    @property
    def unchosen(self) -> list[Block]:
        return [block for block in self.blocks if block.aspect not in self.paid]

    def secrets(self) -> Sequence[str]:
        return [each.preference for each in self.every]

    def user(self, model: Model | None) -> Participant:
        if model is None:
            return Traveller(self.talk, self.seed)
        return ModelTraveller(self.talk, model, self.seed)

    def oracle(self) -> Participant:
        seat = Seat(self.system, tuple(each.name for each in self.tools("assistant")), model="oracle")
        return Oracle(seat, self.gym.actions, self.perfect_act)

    def perfect_act(self) -> Act:
        if not self.unchosen:
            return Act("finish", "")
        block = self.unchosen[0]
        if block.aspect not in self.found:
            return Act("search", query(block))
        wanted = next((each for each in self.unvoiced if each.aspect == block.aspect), None)
        return Act("answer", block.best_id) if wanted is None else Act("action", wanted.question)

    async def hears(self, speaker: str, words: str) -> None:
        """Decides what the traveller's answer to the agent's words is about, and credits a good question."""
        if speaker != "assistant":
            return
        heard: asking.Heard | None
        if self.model_judges:
            heard = await judging.understand(self.ask, words, self.unvoiced)
        else:
            heard = asking.understand(words, self.unvoiced, self.every)
        if heard is None:
            self.earn(None, reason="the judge gave no verdict on the question")
            self.talk.topic = Topic("unjudged")
        elif heard.preference is not None:
            self.voice("asks", heard.preference)
            value = self.shares.preferences[self.every.index(heard.preference)]
            self.earn(value, self.userrl.preference, f"asked for {heard.preference.id}")
        elif self.quiet >= PATIENCE and self.unvoiced:
            self.voice("volunteer", self.random.choice(self.unvoiced))
        else:
            self.quiet += 1
            self.talk.topic = Topic(heard.kind)

    def voice(self, kind: str, preference: Preference) -> None:
        self.quiet = 0
        self.unvoiced.remove(preference)
        self.talk.topic = Topic(kind, preference)

    async def look(self, content: str) -> str:
        self.searches += 1
        if self.gym.preset == "userrl" and self.searches % FAILING == 0:
            return "The database does not answer at the moment. Try again later."
        found: searching.Outcome | None
        if self.model_judges:
            found = await judging.look_for(self.ask, content, self.blocks)
        else:
            found = searching.look_for(content, self.blocks)
        if found is None:
            self.earn(None, reason="the judge gave no verdict on the search")
            return "The search could not be judged, so nothing was searched. Try again."
        if found.block is None:
            return found.feedback
        label = library()[found.block.aspect].label
        if found.block.aspect in self.found:
            return f"You have the options for the {label} already."
        self.found.add(found.block.aspect)
        self.earn(self.shares.searches[self.blocks.index(found.block)], self.userrl.search, f"searched the {label}")
        lines = [msgspec.json.encode(option).decode() for option in found.block.options]
        return "\n".join((f"{len(lines)} options for the {label}, one a line:", *lines))

    async def submit(self, content: str) -> str:
        if self.gym.preset == "userrl":
            return self.submit_as_userrl(content)
        ids = list(dict.fromkeys(f"{letter.upper()}{int(number)}" for letter, number in _ID.findall(content)))
        if len(ids) != 1:
            what = f"{len(ids)} ids are given" if ids else f"no id is given in {content[:80]!r}"
            return f"Error: {what}. Recommend one option at a time, by its id, such as H7."
        (key,) = ids
        block = next((block for block in self.blocks if library()[block.aspect].letter == key[0]), None)
        if block is None or key not in block.ids:
            return f"Error: there is no option {key}."
        label = library()[block.aspect].label
        if block.aspect in self.paid:
            return f"You have recommended a {label} already, and only one counts. {self.left()}"
        value = self.choose(block, key)
        self.earn(value * self.shares.choices[self.blocks.index(block)], self.worth(value), f"chose {key}")
        if not self.unchosen:
            self.stop = "answered"
        return f"{key} is noted for the {label}. {self.left()}"

    def choose(self, block: Block, key: str) -> float:
        value = 1.0 if key == block.best_id else pay.CORRECT if key in block.correct_ids else 0.0
        self.paid[block.aspect] = value
        self.unvoiced = [each for each in self.unvoiced if each.aspect != block.aspect]
        return value

    def worth(self, value: float) -> float:
        return self.userrl.best if value == 1 else self.userrl.correct if value else 0.0

    def left(self) -> str:
        labels = [library()[block.aspect].label for block in self.unchosen]
        return f"Still to recommend: {', '.join(labels)}." if labels else "That was the last one."

    def submit_as_userrl(self, content: str) -> str:
        """Their trained path: a list of ids is taken, what it earned before a refused id is lost, and the conversation
        ends only when all choices are the best ones."""
        earned, ours = 0.0, 0.0
        for key in (part.strip() for part in content.split(",")):
            if not _STRICT_ID.fullmatch(key):
                return f"Error: {key[:40]!r} is no option's id, such as H7."
            aspect = by_letter()[key[0]]
            if aspect in self.paid:
                return f"You have recommended a {library()[aspect].label} already, and only one counts."
            block = next((block for block in self.blocks if block.aspect == aspect), None)
            if block is None:
                self.paid[aspect] = 0.0
                continue
            value = self.choose(block, key)
            earned += self.worth(value)
            ours += value * self.shares.choices[self.blocks.index(block)]
        self.earn(ours, earned, f"chose {content[:40]}")
        if all(self.paid.get(block.aspect) == 1 for block in self.blocks):
            self.stop = "answered"
        return f"{content.strip()[:40]} is noted. {self.left()}"

    @tool()
    async def search(self, query: str) -> str:
        """Search the database for one kind of thing, with all that was said about it."""
        return await self.look(query)

    @tool()
    async def recommend(self, option_id: str) -> str:
        """Recommend one option by its id; it is final."""
        return await self.submit(option_id)

    @tool()
    async def finish(self) -> str:
        """End the conversation."""
        return await self.give_up()

    async def score(self) -> list[Reward]:
        """`travel_metric`: the published one, the mean over the aspects of what their choice was worth."""
        metric = sum(self.paid.get(block.aspect, 0.0) for block in self.blocks) / len(self.blocks)
        return [*self.ended(metric == 1.0), Reward("travel_metric", metric, weight=0.0)]
