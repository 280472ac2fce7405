"""Replies of all models to all prompts, and the verdicts on them; both are kept, and asked for once."""

import asyncio
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from pathlib import Path

import msgspec

from usergym.cli.eval_asking_options import PlaceOptions
from usergym.cli.eval_style_models import Contender
from usergym.cli.eval_style_options import JudgeOptions, ReplyOptions
from usergym.cli.eval_style_tables import Result
from usergym.cli.models import Models
from usergym.cli.options import identity
from usergym.cli.running import Collection, console, how_to_resume, progress
from usergym.environments.style.topical import amiss
from usergym.evaluation.answers import Answers, read_answers
from usergym.evaluation.standing import Standing, bias, standing
from usergym.evaluation.style import Book, Pair, Replies, judged, pairs
from usergym.evaluation.style_curve import curve
from usergym.evaluation.style_page import About
from usergym.judges.pairwise import Judge, PairwiseJudge
from usergym.judges.rules import RuleJudge
from usergym.judges.verdicts import Verdict
from usergym.models.base import Model, StopRun
from usergym.rollouts.engine import Cast, Limits
from usergym.rollouts.store import Store, sole_writer
from usergym.types import Sampling, Task
from usergym.users.styles.spec import StyleSpec

REPLIES, VERDICTS, METRICS = "replies", "verdicts.jsonl", "metrics.json"


@dataclass(frozen=True)
class Taste:
    """One style, or several at once."""

    name: str
    styles: tuple[StyleSpec, ...]

    @property
    def persona(self) -> str:
        return "\n\n".join(each.persona for each in self.styles)

    @property
    def is_exact(self) -> bool:
        return any(each.rules for each in self.styles)


@dataclass(frozen=True)
class Asked:
    """Who is compared with whom, by which tastes, on what."""

    folder: Path
    tastes: tuple[Taste, ...]
    contenders: tuple[Contender, ...]
    baseline: Contender
    tasks: tuple[Task, ...]
    samples: int
    keep_cut: bool


@dataclass
class _Round:
    """All pairs of one model under one taste."""

    contender: Contender
    taste: Taste
    judge: Judge
    found: list[Pair]
    verdicts: dict[int, Verdict]


def compare(
    asked: Asked, judge: JudgeOptions, place: PlaceOptions, models: ReplyOptions, notes: Sequence[str]
) -> tuple[Result, bool]:
    """What came of it, also written to the folder; and whether anything was measured. ValueError where no rule of a
    taste is exact and no model judges."""
    connected = Models(models)
    if judge.judge_model is None and (vague := [each.name for each in asked.tastes if not each.is_exact]):
        raise ValueError(f"no rule scores {', '.join(vague)} exactly; give --judge-model, who judges instead of rules")
    with sole_writer(asked.folder):
        if not place.resume:
            shutil.rmtree(asked.folder / REPLIES, ignore_errors=True)
            (asked.folder / VERDICTS).unlink(missing_ok=True)
        book = Book(asked.folder / VERDICTS)
        replies = {
            each.label: _replies(each, asked, connected, place, models) for each in (asked.baseline, *asked.contenders)
        }
        rounds = _rounds(asked, replies, judge, connected, place.seed)
        _judge(rounds, [*connected.all], book, place.concurrency)
        return _written(asked, rounds, notes, judge, place.seed)


def _replies(
    contender: Contender, asked: Asked, connected: Models, place: PlaceOptions, models: ReplyOptions
) -> Replies:
    folder = asked.folder / REPLIES / contender.folder
    store = Store.open(
        folder,
        identity(
            verb="eval style",
            model=contender.told(models),
            taste=contender.taste or None,
            sampling=models.sampling(),
            seed=place.seed,
        ),
        {"prompts": len(asked.tasks), "samples": asked.samples},
    )
    with ExitStack() as opened:
        opened.callback(store.close)
        if not any(_is_due(store, task, n) for task in asked.tasks for n in range(asked.samples)):
            return read_answers(folder)  # a model that has nothing to say is not loaded
        agent = connected.agent(contender.model)
        opened.pop_all()
    model = connected.connected.pop(contender.model)
    Collection(
        Answers(contender.taste),
        asked.tasks,
        Cast(agent, limits=Limits(1)),
        store,
        (model,),
        asked.samples,
        place.seed,
        place.concurrency,
        len(asked.tasks) * asked.samples,
        contender.label,
    ).run()
    return read_answers(folder)


def _is_due(store: Store, task: Task, sample: int) -> bool:
    return not (store.is_finished(task, sample) or store.is_given_up(f"{task.id}#{sample}"))


def _rounds(
    asked: Asked, replies: Mapping[str, Replies], judge: JudgeOptions, connected: Models, seed: int
) -> list[_Round]:
    model = connected.connect(judge.judge_model) if judge.judge_model else None
    rounds = []
    for taste in asked.tastes:
        seated = _seated(taste, judge, model, seed)
        for contender in asked.contenders:
            if contender.style in (None, taste.name):
                ours, theirs = replies[contender.label], replies[asked.baseline.label]
                found = pairs(asked.tasks, asked.samples, ours, theirs, asked.keep_cut)
                rounds.append(_Round(contender, taste, seated, found, {}))
    return rounds


def _seated(taste: Taste, judge: JudgeOptions, model: Model | None, seed: int) -> Judge:
    if model is None:
        return _rules(taste, judge)
    sampling = Sampling(judge.judge_temperature, max_tokens=judge.judge_tokens)
    return PairwiseJudge(model, taste.persona, axes=judge.axes, sampling=sampling, longest=judge.longest, seed=seed)


def _rules(taste: Taste, judge: JudgeOptions) -> RuleJudge:
    return RuleJudge(taste.styles, judge.margin, amiss)


def _judge(rounds: Sequence[_Round], models: Sequence[Model], book: Book, concurrency: int) -> None:
    try:
        asyncio.run(_judge_all(rounds, models, book, concurrency))
    except KeyboardInterrupt:
        console.print(f"\ninterrupted: what was judged is in {book.path}. {how_to_resume()}")
        sys.exit(130)
    except StopRun as error:
        raise StopRun(str(error) if "again" in str(error) else f"{error}\n{how_to_resume()}") from None


async def _judge_all(rounds: Sequence[_Round], models: Sequence[Model], book: Book, concurrency: int) -> None:
    total = sum(pair.texts is not None for each in rounds for pair in each.found)
    try:
        with progress("comparisons", total) as advance:
            for each in rounds:
                made = judged(each.judge, each.taste.name, each.contender.label, each.found, book, concurrency)
                async with aclosing(made):
                    async for number, verdict in made:
                        each.verdicts[number] = verdict
                        advance([], 1)
    finally:
        for model in models:
            await model.close()


def _written(
    asked: Asked, rounds: Sequence[_Round], notes: Sequence[str], judge: JudgeOptions, seed: int
) -> tuple[Result, bool]:
    standings = [
        standing(
            each.contender.label,
            each.taste.name,
            _rules(each.taste, judge),
            each.found,
            each.verdicts,
            step=each.contender.step,
            seed=seed,
        )
        for each in rounds
    ]
    said = bias([verdict for each in rounds for verdict in each.verdicts.values()])
    told = [*notes, *_told(standings, asked.folder)]
    if said.always:
        told.append(
            f"the judge {rounds[0].judge.name} said {said.always!r} every time, whatever stood there: "
            "its verdicts say nothing; give another --judge-model"
        )
    result = Result(
        str(asked.folder),
        asked.baseline.label.removeprefix("baseline "),
        rounds[0].judge.name,
        len(asked.tasks),
        asked.samples,
        standings,
        told,
    )
    text = msgspec.json.format(msgspec.json.encode(result), indent=2)
    (asked.folder / METRICS).write_bytes(text + b"\n")
    about = About(
        asked.tastes[0].name, result.baseline, result.judge, result.prompts, result.samples, tuple(result.notes)
    )
    curve(standings, asked.folder, about)
    measured = any(each.wins.rate is not None for each in standings)
    return result, measured and said.always in (None, "tie")


def _told(standings: Sequence[Standing], folder: Path) -> list[str]:
    """What a reader must know, from the pairs that could not be judged."""
    notes = []
    worst = {name: max(each.outcomes.get(name, 0) for each in standings) for name in ("cut", "failed", "unavailable")}
    asked = max(each.wins.asked for each in standings)
    if 2 * worst["cut"] > asked:
        notes.append(
            f"up to {worst['cut']:,} of {asked:,} pairs have a reply that was cut: raise --max-tokens, or judge it as "
            "it stands with --keep-cut"
        )
    if worst["failed"]:
        notes.append(f"replies failed, why is in {folder / REPLIES}; run again to retry them (3 attempts in all)")
    if worst["unavailable"]:
        notes.append(f"the judge did not answer, why is in {folder / VERDICTS}; run again to ask it again")
    return notes
