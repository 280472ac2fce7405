"""`usergym eval users`: how well models think and speak as held-out people."""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Group, Parameter

from usergym.cli.errors import told_in_one_line
from usergym.cli.eval_asking_options import AskOptions, PlaceOptions
from usergym.cli.eval_runs import slug
from usergym.cli.eval_style_models import Contender, other_size, refuse_unreachable, run_of, started_from
from usergym.cli.eval_users_headline import judge_told
from usergym.cli.eval_users_judging import judge_all, vectors_of
from usergym.cli.eval_users_options import JudgeOptions, PeopleOptions
from usergym.cli.eval_users_plan import show_plan
from usergym.cli.eval_users_play import Asked, play
from usergym.cli.eval_users_tables import show
from usergym.cli.models import CHECKPOINT, PLAYED, Models, is_checkpoint
from usergym.cli.options import run_folder
from usergym.cli.tables import print_json, told_left_out
from usergym.environments.people.contexts import of_split
from usergym.evaluation.users import CONSTANT, Said
from usergym.evaluation.users_chance import Constant, best_constant, said_always
from usergym.evaluation.users_judging import HALF, OVERLAP, family, overlapped, warning
from usergym.evaluation.users_plot import picture
from usergym.evaluation.users_results import Result, agreements, calibrations, cells, compared, main_judge, words
from usergym.evaluation.users_scores import FEWEST, Score, Sheet
from usergym.evaluation.users_study import HUMAN, rated, read_ratings
from usergym.rollouts.store import sole_writer
from usergym.users.states.spec import LAST

RESULTS = "results.json"


@told_in_one_line
def eval_users(
    data: Path | None = None,
    /,
    *,
    model: Annotated[tuple[str, ...], Parameter(negative="", consume_multiple=True)] = (),
    who: Annotated[PeopleOptions, Parameter(name="*", group=Group("Who is simulated", sort_key=1))] = PeopleOptions(),
    judge: Annotated[JudgeOptions, Parameter(name="*", group=Group("Who judges", sort_key=2))] = JudgeOptions(),
    place: Annotated[PlaceOptions, Parameter(name="*", group="Run")] = PlaceOptions(),
    models: Annotated[AskOptions, Parameter(name="*", group="Models")] = AskOptions(),
    every: Annotated[bool, Parameter(name="--all", negative="")] = False,
) -> int | None:
    """Evaluate how well models think and speak as held-out people.

    Every model is asked for each state and the response by itself, then speaks behind its own states, in the same
    contexts. Tells alignment by level with intervals over people, what was not kept to or never got, the same text
    always as chance, how various the simulated people are beside the real ones, and how far judges agree. The same
    command goes on where it stopped.

    Examples:

        usergym eval users --model runs/taught/model runs/person --controls shuffled none
        usergym eval users data/rl/sebvgcr --model vllm/Qwen/Qwen3-8B --judge-model openai/gpt-5-mini
        usergym eval users --model oracle --limit 20 --repeats 2

    Parameters
    ----------
    data
        A file or folder of `usergym prepare users`, or raw rows. Default: the synthetic population.
    model
        Models: PROVIDER/MODEL, http://HOST:PORT/v1/MODEL, local/smollm2, the folder of a trained model, or oracle,
        idle. Each is compared with those before it; give the one that training started from first.
    every
        Print all tables: differences by level, likeness to the real responses, variety, degrees, judges.
    """
    contenders = tuple(_contender(each) for each in model)
    if not contenders:
        raise ValueError("give --model: who is to speak as people; `--model oracle` tries out the data without any")
    _refuse(contenders, judge, models)
    name = "+".join(slug(each.label.rsplit("/", 1)[-1]) for each in contenders)
    folder = run_folder(place.out, f"users-{name}")
    asked = Asked(folder, contenders, who, data, place.limit, place.repeats, place.seed)
    notes = _notes(asked, judge)
    if place.plan:
        show_plan(asked, judge, notes, place.json)
        return None
    with sole_writer(folder):
        result = _evaluated(asked, judge, place, Models(models), notes)
    if place.json:
        print_json(result)
    else:
        show(result, every)
    return 0 if any(cell.judged for cell in result.cells if cell.source.model != CONSTANT) else 1


def _contender(name: str) -> Contender:
    return Contender(name.removeprefix(CHECKPOINT), name)


def _refuse(contenders: Sequence[Contender], judge: JudgeOptions, models: AskOptions) -> None:
    labels = [each.label for each in contenders]
    for flag, given in (("--model", labels), ("--judge-model", list(judge.judge_model))):
        if len(set(given)) < len(given):
            raise ValueError(f"{flag} {' '.join(given)}: one comes twice; name each once")
    if taken := {CONSTANT} & {*labels} | {OVERLAP, HUMAN} & {*judge.judge_model}:
        raise ValueError(f"{min(taken)!r} is the name of something else in the results; name a model")
    if judge.human and not judge.human.is_file():
        raise ValueError(f"--human {judge.human}: there is no such file; write it with: usergym study export --json")
    for each in (*(each.model for each in contenders if each.model not in PLAYED), *judge.judge_model):
        refuse_unreachable(each, models)


def _notes(asked: Asked, judge: JudgeOptions) -> list[str]:
    notes = [told_left_out(asked.base.skipped)] if asked.base.skipped else []
    people = {context.user for context in asked.chosen.values()}
    if len(asked.chosen) < asked.limit:
        notes.append(
            f"--split {asked.who.split} has {len(asked.chosen):,} contexts, fewer than --limit {asked.limit:,}"
        )
    if len(people) < FEWEST:
        notes.append(f"{len(people)} people: an interval over people needs {FEWEST}, so there is none")
    if "spoken" in asked.who.plays and "spoken" not in asked.plays:
        notes.append(
            f"the hierarchy {asked.base.hierarchy.name} has no states before words; nothing is spoken behind any"
        )
    unknown = [level for level in asked.levels if all(level not in context.truth for context in asked.chosen.values())]
    if unknown:
        notes.append(
            f"the true {', '.join(unknown)} of these people is not known: it is held against what they wrote, where "
            "the overlap of words says little; give --judge-model"
        )
    if not asked.who.controls:
        notes.append("whether the persona matters is not told; add --controls shuffled none")
    families = {family(each) for each in judge.judge_model}
    if len(judge.judge_model) > len(families):
        notes.append(f"judges of one family ({', '.join(sorted(families))}) may be wrong together; take another's")
    return [*notes, *_sizes(asked.models)]


def _sizes(contenders: Sequence[Contender]) -> list[str]:
    """What a trained model is to be compared with, and what cannot be told apart."""
    notes = []
    checkpoints = [each for each in contenders if is_checkpoint(each.model)]
    if checkpoints and (warned := other_size(checkpoints[1:], checkpoints[0])):
        notes.append(warned)
    for each in contenders if len(contenders) == 1 else ():
        run = run_of(each.model)
        with contextlib.suppress(LookupError):
            if run and (base := started_from(run).removeprefix(CHECKPOINT)):
                notes.append(f"{each.label} was trained from {base}; give it too: --model {base} {each.model}")
    return notes


def _evaluated(asked: Asked, judge: JudgeOptions, place: PlaceOptions, connected: Models, notes: list[str]) -> Result:
    ratings = read_ratings(judge.human) if judge.human else None
    constants = _constants(asked)
    if not constants:
        notes.append("the data has no training people, so what the same text always is worth is not told")
    said = [*play(asked, place, connected), *said_always(constants, list(asked.chosen.values()))]
    scores: dict[str, Sequence[Score]] = {OVERLAP: overlapped(said, asked.targets)}
    scores |= judge_all(asked, said, judge.judge_model, place, connected, notes)
    if ratings is not None:
        scores[HUMAN] = rated(said, ratings, _systems(asked))
    truths = {context.id: context.truth[LAST] for context in asked.chosen.values()}
    vectors = vectors_of(said, truths, judge.embedding_model, connected, notes)
    sheet = Sheet(said, scores, asked.levels, asked.seed)
    main = main_judge(scores, judge.judge_model)
    result = _result(asked, sheet, main, constants, truths, vectors, notes, _warnings(said, scores))
    text = msgspec.json.format(msgspec.json.encode(result), indent=2)
    (asked.folder / RESULTS).write_bytes(text + b"\n")
    shown = [cell for cell in result.cells if cell.judge == main]
    picture(shown, asked.folder, f"Alignment with people, judged by {judge_told(main)}", asked.levels)
    return result


def _constants(asked: Asked) -> list[Constant]:
    training = list(of_split(asked.base.contexts, "train"))
    if asked.who.split == "train":
        training = [context for context in training if context.id not in asked.chosen]
    return [found for level in asked.levels if (found := best_constant(training, level, asked.seed))]


def _systems(asked: Asked) -> dict[str, Sequence[str]]:
    """By what names a study may know a source: its folder's, and of the fullest play of a model also the model's."""
    last = asked.plays[-1]
    return {
        source.name: (
            asked.place(model, source).name,
            *((model.label, model.folder) if (source.persona, source.play) == ("own", last) else ()),
        )
        for model, source in asked.sources
    }


def _warnings(said: Sequence[Said], scores: Mapping[str, Sequence[Score]]) -> list[str]:
    told = [told for judge, given in scores.items() if judge != HUMAN and (told := warning(judge, given, said))]
    for source in dict.fromkeys(each.source for each in said):
        own = [each for each in said if each.source == source]
        lost = sum(bool(each.lost) for each in own)
        if lost > HALF * len(own):
            told.append(
                f"{source.name}: {lost:,} of {len(own):,} texts were never got, more than half: its numbers speak of "
                "the rest; why is in its failures.jsonl, and running again retries them (3 attempts in all)"
            )
    return told


def _result(
    asked: Asked,
    sheet: Sheet,
    main: str,
    constants: Sequence[Constant],
    truths: Mapping[str, str],
    vectors: Mapping[str, Sequence[float] | None] | None,
    notes: Sequence[str],
    warnings: Sequence[str],
) -> Result:
    likeness, variety, note = words(sheet, truths, vectors)
    differences = compared(sheet, [judge for judge in sheet.scores if judge != HUMAN])
    stances = {context.id: context.truth["stance"] for context in asked.chosen.values() if "stance" in context.truth}
    return Result(
        folder=str(asked.folder),
        split=asked.who.split,
        mode=asked.base.mode.name,
        hierarchy=asked.base.hierarchy.name,
        levels=asked.levels,
        contexts=len(asked.chosen),
        people=len({context.user for context in asked.chosen.values()}),
        repeats=asked.repeats,
        models=tuple(each.label for each in asked.models),
        judges=tuple(sheet.scores),
        main=main,
        cells=cells(sheet),
        constants=tuple(constants),
        controls=differences.controls,
        above_constant=differences.above_constant,
        states_first=differences.states_first,
        pairs=differences.pairs,
        likeness=likeness,
        variety=variety,
        calibration=calibrations(sheet, stances),
        agreement=agreements(sheet),
        notes=(*notes, *([note] if note else [])),
        warnings=tuple(warnings),
    )
