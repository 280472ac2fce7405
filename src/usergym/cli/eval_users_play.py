"""Every model in the seat of every chosen person: what is asked for, played once and kept."""

import asyncio
import shutil
import sys
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from usergym.cli.eval_asking_options import PlaceOptions
from usergym.cli.eval_style_models import Contender
from usergym.cli.eval_users_options import PeopleOptions
from usergym.cli.models import PLAYED, Models
from usergym.cli.options import ReachOptions, identity
from usergym.cli.running import console, how_to_resume, progress
from usergym.environments.people.contexts import Context, of_split
from usergym.environments.people.gym import People
from usergym.environments.people.rows import ALL, asked_of, truth_of
from usergym.evaluation.playing import Job, play_all
from usergym.evaluation.users import Persona, Play, Said, Source, read_said, stratified, thought_of
from usergym.evaluation.users_judging import Wanted
from usergym.evaluation.users_speaking import SpokenModel, speech_of
from usergym.models.base import StopRun
from usergym.rollouts.engine import Cast, Limits, Seating, seat_model
from usergym.rollouts.store import Store, outcomes
from usergym.types import Task
from usergym.users.states.prompting import transcript
from usergym.users.states.spec import LAST

PLAYS = "plays"


@dataclass
class Asked:
    """Who is asked to be whom."""

    folder: Path
    models: tuple[Contender, ...]
    who: PeopleOptions
    data: Path | None
    limit: int
    repeats: int
    seed: int

    @cached_property
    def base(self) -> People:
        return self.people("own", "asked", None)

    def people(self, persona: Persona, play: Play, contexts: Sequence[Context] | None) -> People:
        who = self.who
        made = People(
            config=who.config,
            hierarchy=who.hierarchy,
            levels=who.levels,
            data=str(self.data) if self.data else "",
            people=who.people,
            posts=who.posts,
            population_seed=who.population_seed,
            persona=persona,
            thinking=who.thinking,
            speaks=play == "spoken",
        )
        if contexts is not None:
            made.contexts = contexts
        return made

    @cached_property
    def chosen(self) -> dict[str, Context]:
        """By id. ValueError where the split has nobody, or a control needs somebody else."""
        found = stratified(list(of_split(self.base.contexts, self.who.split)), self.limit, self.seed)
        if not found:
            known = sorted({context.split for context in self.base.contexts})
            raise ValueError(
                f"--split {self.who.split}: nobody is in it; people are in {', '.join(known)}, so give one of these"
            )
        if "shuffled" in self.who.controls and len({context.user for context in found}) < 2:
            raise ValueError(
                "--controls shuffled needs another person's persona, and there is one person; leave it out"
            )
        return {context.id: context for context in found}

    @cached_property
    def plays(self) -> tuple[Play, ...]:
        """Without states, or without words, there is nothing to speak behind."""
        thinks = bool(thought_of(self.base)) and LAST in self.base.hierarchy.names
        return tuple(play for play in self.who.plays if play == "asked" or thinks)

    @property
    def sources(self) -> Iterator[tuple[Contender, Source]]:
        personas: tuple[Persona, ...] = ("own", *self.who.controls)
        for model in self.models:
            for persona in personas:
                for play in self.plays:
                    yield model, Source(model.label, persona, play)

    def tasks(self, people: People) -> list[Task]:
        return [task for task in people.tasks(self.who.split, self.seed) if task.data["context"] in self.chosen]

    def place(self, model: Contender, source: Source) -> Path:
        return self.folder / PLAYS / f"{model.folder}-{source.persona}-{source.play}"

    @cached_property
    def levels(self) -> tuple[str, ...]:
        """All that texts are read for, in the order of the hierarchy: --levels, else also what is spoken behind."""
        spoken = () if self.who.levels or "spoken" not in self.plays else (*thought_of(self.base), LAST)
        wanted = {*self.base.levels, *spoken}
        return tuple(level for level in self.base.hierarchy.names if level in wanted)

    @cached_property
    def targets(self) -> dict[tuple[str, str], Wanted]:
        """Of every chosen context and level; all that a decoy may be drawn from is of the split."""
        decoys = {
            (asked_of(task).context, asked_of(task).level): asked_of(task).decoy for task in self.tasks(self.base)
        }
        return {
            (context.id, level): Wanted(
                truth_of(context.truth, level),
                transcript(context.thread),
                self.base.hierarchy.level(level),
                decoys.get((context.id, level)) or decoys.get((context.id, ALL), ""),
            )
            for context in self.chosen.values()
            for level in self.levels
        }


def play(asked: Asked, place: PlaceOptions, connected: Models) -> list[Said]:
    """Everything that was said, now or by an earlier call. One model after the other is in memory."""
    if not place.resume:
        shutil.rmtree(asked.folder / PLAYS, ignore_errors=True)
    said: list[Said] = []
    for model in asked.models:
        _played(asked, model, place, connected)
        for each, source in asked.sources:
            if each is model:
                people = asked.people(source.persona, source.play, asked.base.contexts)
                thought = thought_of(people) if source.play == "spoken" and model.model not in PLAYED else ()
                found = outcomes(asked.place(model, source))
                texts = read_said(found, people, source, asked.chosen, asked.repeats, thought)
                wanted = (each for each in texts if each.level in asked.levels)
                said += sorted(wanted, key=lambda each: (each.context, each.sample))  # not as they happened to finish
    return said


def _played(asked: Asked, model: Contender, place: PlaceOptions, connected: Models) -> None:
    with ExitStack() as opened:
        due: list[tuple[Source, People, list[Task], Store]] = []
        for each, source in asked.sources:
            if each is not model:
                continue
            people = asked.people(source.persona, source.play, asked.base.contexts)
            store = _store(asked, model, source, people, connected.options)
            opened.callback(store.close)
            for note in store.notes:
                console.print(f"note: {source.name}: {note}", markup=False)
            due.append((source, people, asked.tasks(people), store))
        wanted = [
            (task, n)
            for _, _, tasks, store in due
            for task in tasks
            for n in range(asked.repeats)
            if _is_due(store, task, n)
        ]
        if not wanted:
            return  # a model that has nothing to say is not loaded
        jobs = [
            Job(
                model.label,
                source.name,
                people,
                tasks,
                Cast(_seat(connected, model, source, people), limits=Limits(1)),
                store,
            )
            for source, people, tasks, store in due
        ]
        to_its_end(_play(jobs, connected, asked, place, len(wanted), model.label))


def _store(asked: Asked, model: Contender, source: Source, people: People, models: ReachOptions) -> Store:
    who = asked.who
    separate = people.mode.separate
    return Store.open(
        asked.place(model, source),
        identity(
            verb="eval users",
            model=model.told(models),
            persona=source.persona,
            play=source.play,
            mode=people.mode.name,
            hierarchy=people.digest,
            levels=None if separate or source.play == "spoken" else people.levels,
            data=str(asked.data) if asked.data else None,
            population=None if asked.data else people.population,
            thinking=who.thinking,
            sampling=models.sampling(),
            seed=asked.seed,
        ),
        {"split": who.split, "limit": asked.limit, "repeats": asked.repeats, "levels": list(people.levels)},
    )


def _is_due(store: Store, task: Task, sample: int) -> bool:
    return not (store.is_finished(task, sample) or store.is_given_up(f"{task.id}#{sample}"))


def _seat(connected: Models, model: Contender, source: Source, people: People) -> Seating:
    if model.model in PLAYED:
        return PLAYED[model.model]
    bare, speech = speech_of(connected.connect(model.model), people)
    return seat_model(SpokenModel(bare, speech) if source.play == "spoken" else bare, connected.options.sampling())


async def _play(
    jobs: Sequence[Job], connected: Models, asked: Asked, place: PlaceOptions, total: int, label: str
) -> None:
    if not console.is_terminal:
        console.print(f"{label}: 0 of {total:,}", markup=False, highlight=False, soft_wrap=True)
    with progress(label, total) as advance:
        made = play_all(jobs, repeats=asked.repeats, seed=asked.seed, concurrency=place.concurrency)
        try:
            async with aclosing(made):
                async for _, group in made:
                    advance(group, len(group))
        finally:
            await close(connected)


async def close(connected: Models) -> None:
    """All of them; they are connected anew when they are needed again, under the same budget."""
    for model in connected.all:
        await model.close()
    connected.connected.clear()


def to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """On Ctrl-C says how to go on and exits 130; StopRun passes with the same advice."""
    try:
        asyncio.run(work)
    except KeyboardInterrupt:
        console.print(f"\ninterrupted: what was finished is kept. {how_to_resume()}")
        sys.exit(130)
    except StopRun as error:
        raise StopRun(str(error) if "again" in str(error) else f"{error}\n{how_to_resume()}") from None
