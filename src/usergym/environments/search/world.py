"""The conversation about a question: searches, and answers to be judged. Nobody sits opposite."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property
from importlib.resources import files
from itertools import count
from pathlib import Path
from string import Template
from typing import Any, Literal

import msgspec

from usergym.environments._gym import MAX_STEPS, Actions, Gym, GymWorld, Preset
from usergym.environments._oracle import Oracle
from usergym.environments.base import JudgeError, RowError, World, tool
from usergym.environments.search import corpus, engines, entities, grading, index, judging, questions, rows
from usergym.environments.search.entities import Spec
from usergym.environments.search.index import Result
from usergym.models.base import Model
from usergym.types import Message, Reward, Seat, Task, Turn, split_of
from usergym.users.base import Participant

SERVICE = "search"


class Search(Gym):
    """Questions about a world that no model has memorised, and a search over its articles.

    `engine`: bm25 searches a generated world, or the articles in `corpus` (a folder, or JSONL with title and text);
    serper and searxng search the web, at `base_url` if given, and `cache` is a file that keeps what they found.
    `questions`: JSONL with id, question and answer, which are the tasks then. `searches`, `answers`: how many may be
    made (0 answers: no limit); `results`: how many a search shows. `judge`: whether a model is asked about answers that
    the rules do not know again. `size`: articles of a generated world."""

    name = "search"

    def __init__(
        self,
        actions: Actions = "interact",
        preset: Preset = "usergym",
        max_steps: int = MAX_STEPS,
        engine: Literal["bm25", "serper", "searxng"] = "bm25",
        corpus: str = "",
        questions: str = "",
        judge: Literal["rules", "model"] = "rules",
        searches: int = 5,
        answers: int = 2,
        results: int = 5,
        size: int = 500,
        base_url: str = "",
        cache: str = "",
    ) -> None:
        super().__init__(actions, preset, max_steps)
        for option, value, least in (("searches", searches, 0), ("answers", answers, 0), ("results", results, 1)):
            if value < least:
                raise ValueError(f"{option}={value}: expected {least} or more")
        for option, path in (("corpus", corpus), ("questions", questions)):
            if path and not Path(path).exists():
                raise ValueError(f"{option}={path}: no such file")
        if engine != "bm25" and corpus:
            raise ValueError(f"engine={engine} searches the web, corpus={corpus} would not be read; give one of them")
        if engine == "bm25" and (base_url or cache):
            raise ValueError("base_url and cache are for a live engine; give engine=serper or engine=searxng")
        Spec(0, 0, size)
        self.engine = engine
        self.corpus = corpus
        self.questions = questions
        self.judge = judge
        self.searches = searches
        self.answers = answers if preset == "usergym" else 0
        self.results = results
        self.size = size
        self.base_url = base_url
        self.cache = cache

    @cached_property
    def services(self) -> Mapping[str, Model]:
        if self.engine == "bm25":
            return {}
        live = engines.LiveSearch(self.engine, self.base_url, self.results)
        return {SERVICE: engines.KeptSearch(live, self.cache) if self.cache else live}

    def tasks(self, split: str | None = None, seed: int = 0) -> Iterator[Task]:
        """The questions of the file; else those about generated worlds, without end."""
        if self.questions:
            yield from self.own_questions(split)
            return
        if self.engine != "bm25" or self.corpus:
            raise LookupError("there are no questions about this collection: give questions=FILE, or rows (--tasks)")
        for number in count():
            group = f"search-world-{seed}-{number}"
            its = split_of(group, validation=0.1, test=0.1)
            if split in (None, its):
                yield from self.about(Spec(seed, number, self.size), group, its if split else None)

    def own_questions(self, split: str | None) -> Iterator[Task]:
        for where, row in corpus.rows(Path(self.questions)):
            try:
                task = rows.of_question(row)
            except RowError as error:
                raise ValueError(f"{where}: {error}") from None
            its = split_of(task.group, validation=0.1, test=0.1)
            if split in (None, its):
                yield msgspec.structs.replace(task, split=its if split else None)

    def about(self, spec: Spec, group: str, split: str | None) -> Iterator[Task]:
        """The questions about one world."""
        place = {"seed": spec.seed, "number": spec.number, "size": spec.size}
        for n, made in enumerate(questions.ask(spec, entities.build(spec))):
            key = f"search-{spec.seed}-{spec.number}-{n}" + (f"-{spec.size}" if spec.size != 500 else "")
            opening = (Turn("user", Message("assistant", made["question"])),)
            yield Task(key, self.name, group, opening, {**made, "world": place}, split=split)

    def read(self, row: Mapping[str, Any]) -> Task:
        task = rows.read(row)
        self.place(task)
        return task

    def place(self, task: Task) -> Spec | None:
        """The generated world that a task plays in. RowError for a task that this engine cannot be asked about."""
        spec = rows.world(task)
        if spec is None and self.engine == "bm25" and not self.corpus:
            expected = "a generated world; questions about the real one need search:corpus=FOLDER or engine=serper"
            raise RowError("data.world", expected)
        if spec is not None and self.engine != "bm25":
            raise RowError("data.world", f"none: engine={self.engine} knows no generated world", task.data["world"])
        return spec

    def start(self, task: Task) -> World:
        return SearchWorld(task, self)


class SearchWorld(GymWorld):
    choices = {"search": "what to search for", "answer": "the answer alone, in few words"}

    def __init__(self, task: Task, gym: Search) -> None:
        super().__init__(task, gym)
        self.options = gym
        self.spec = gym.place(task)
        self.answers: Sequence[str] = task.data["answers"]
        self.accepted = grading.accepted(task.data["question"], self.answers)
        self.searched = 0
        self.answered = 0
        self.solved = False
        self.unjudged = False

    @property
    def system(self) -> str:
        options = self.options
        attempts = {0: "as often as you like", 1: "once"}.get(options.answers, f"{options.answers} times")
        return f"{super().system}\n{_limits().substitute(searches=options.searches, attempts=attempts)}"

    def oracle(self) -> Participant:
        searches = [("search", query) for query in self.task.data.get("searches") or ()]
        tools = tuple(tool.name for tool in self.tools("assistant"))
        acts = [*searches[: self.options.searches], ("answer", self.answers[0])]
        return Oracle(acts, self.gym.actions, Seat(self.system, tools, "oracle"))

    @tool()
    async def search(self, query: str) -> str:
        """Search for something; titles and short excerpts come back."""
        return await self.look(query)

    @tool()
    async def answer(self, content: str) -> str:
        """Hand in the answer alone, in few words."""
        return await self.submit(content)

    @tool()
    async def finish(self) -> str:
        """Give up and end the conversation."""
        return await self.give_up()

    async def act(self, content: str) -> str:
        return "Error: nobody is there to talk to; search or answer."

    async def look(self, content: str) -> str:
        limit = self.options.searches
        if self.searched >= limit:
            return f"You have made all {limit} searches. Give your answer now."
        found = await self.found(content)
        self.searched += 1
        listed = "\n".join(f"{n}. {each.title}\n   {each.snippet}" for n, each in enumerate(found, 1))
        return f"{listed or 'Nothing was found.'}\nSearches left: {limit - self.searched}."

    async def found(self, query: str) -> Sequence[Result]:
        """JudgeError where a live engine gives no results, which is a failure of the conversation."""
        options = self.options
        if options.engine == "bm25":
            its = index.of_world(self.spec) if self.spec else corpus.index(options.corpus)
            return its.search(query, options.results)
        told = await self.ask(SERVICE, query)
        try:
            return msgspec.json.decode(told, type=list[Result])
        except msgspec.DecodeError as error:
            raise JudgeError(f"what {SERVICE} found cannot be read: {error}") from None

    async def submit(self, content: str) -> str:
        if self.stop is not None:
            return "The conversation is over."
        told = grading.objection(content, self.accepted)
        if told:
            return told
        right, why = await self.judged(content)
        if right is None:
            self.unjudged = True
            self.earn(None, reason=why)
            return "It could not be judged this time."
        self.answered += 1
        limit = self.options.answers
        if right:
            self.solved = True
            self.stop = "solved"
            self.earn(max(0.0, 1 - (self.answered - 1) / limit) if limit else 1.0, userrl=1.0)
            return "That is correct."
        if limit and self.answered >= limit:
            self.stop = "answers_spent"
        left = f" Answers left: {limit - self.answered}." if limit else ""
        return f"That is not correct.{left}"

    async def judged(self, content: str) -> tuple[bool | None, str]:
        """Whether an answer is right; or None, and why it could not be judged."""
        if grading.fits(content, self.accepted):
            return True, ""
        if self.options.judge == "rules":
            return False, ""
        try:
            asked = judging.question(self.task.data["question"], self.answers, content)
            right = judging.read_verdict(await self.ask("judge", asked, judging.SCHEMA))
        except JudgeError as error:
            return None, str(error)
        return right, "" if right is not None else "the judge's verdict cannot be read"

    async def score(self) -> list[Reward]:
        return self.ended(None if self.unjudged and not self.solved else self.solved)


@cache
def _limits() -> Template:
    return Template(
        (files("usergym.environments.search") / "prompts" / "limits.md").read_text(encoding="utf-8").strip()
    )
