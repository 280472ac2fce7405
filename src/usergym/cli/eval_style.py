"""`usergym eval style`: how often a model's replies suit a taste better than a baseline's, on held-out prompts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from usergym.cli.errors import told_in_one_line
from usergym.cli.eval_asking_options import PlaceOptions
from usergym.cli.eval_runs import slug
from usergym.cli.eval_style_models import (
    Contender,
    contenders_of,
    other_size,
    refuse_unreachable,
    run_of,
    started_from,
    training_run,
)
from usergym.cli.eval_style_options import JudgeOptions, ReplyOptions
from usergym.cli.eval_style_play import Asked, Taste, compare
from usergym.cli.eval_style_prompts import leakage, prompt_tasks, shown_taste
from usergym.cli.eval_style_tables import show
from usergym.cli.options import at_least, run_folder
from usergym.cli.tables import console, print_json
from usergym.users.styles.spec import parse


@told_in_one_line
def eval_style(
    *,
    style: str,
    model: Annotated[tuple[str, ...], Parameter(negative="", consume_multiple=True)] = (),
    baseline: str | None = None,
    run: str | None = None,
    steps: Annotated[tuple[int, ...], Parameter(negative="", consume_multiple=True)] = (),
    prompts: Path | None = None,
    also_styles: Annotated[tuple[str, ...], Parameter(negative="", consume_multiple=True)] = (),
    oracle: Annotated[bool, Parameter(negative="")] = False,
    keep_cut: Annotated[bool, Parameter(negative="")] = False,
    ignore_leakage: Annotated[bool, Parameter(negative="")] = False,
    judge: Annotated[JudgeOptions, Parameter(name="*", group="Judge")] = JudgeOptions(),
    place: Annotated[PlaceOptions, Parameter(name="*", group="Run")] = PlaceOptions(),
    models: Annotated[ReplyOptions, Parameter(name="*", group="Models")] = ReplyOptions(),
) -> int | None:
    """Compare models, or the checkpoints of a training run, with a baseline, by the taste of a user.

    Every model answers the same held-out prompts once; each reply is compared with the baseline's. Tells the win rate
    with two intervals, what could not be judged, the exact style score of both with the paired difference, and the
    length of replies; of a run also the curve by step. The same command goes on where it stopped.

    Examples:

        usergym eval style --style no_lists --run sdpo-no_lists --oracle
        usergym eval style --style no_lists+no_emojis --model openai/gpt-4o --baseline openai/gpt-4o-mini
        usergym eval style --style poetic --run mine --steps 3 6 9 --judge-model anthropic/claude-haiku-4-5

    Parameters
    ----------
    style
        The taste: a style, or several at once as NAME+NAME; `usergym styles` lists them.
    model
        Models to compare: PROVIDER/MODEL, http://HOST:PORT/v1/MODEL, local/smollm2, checkpoint/FOLDER.
    baseline
        What they are compared with. Default: the model from which the run started, which is of the same size.
    run
        A training run, whose checkpoints are compared: its folder, or its name in runs/.
    steps
        Its checkpoints. Default: all.
    prompts
        File of rows with a `prompt`: a text or chat messages. Default: the test tasks of the environment style.
    also_styles
        Further tastes by which the same replies are scored: what was forgotten, what came along.
    oracle
        Compare also the baseline that is told the taste in its system prompt.
    keep_cut
        Judge also replies that reached --max-tokens, as they stand.
    ignore_leakage
        Go on although prompts were trained on.
    """
    at_least(2, limit=place.limit)
    tastes = [_taste(each) for each in (style, *also_styles)]
    if len({taste.name for taste in tastes}) < len(tastes):
        raise ValueError(f"--also-styles {' '.join(also_styles)}: a style comes twice; name each once")
    against, contenders, of_run = _who(model, baseline, run, steps)
    for each in (against.model, *(contender.model for contender in contenders), judge.judge_model):
        if each:
            refuse_unreachable(each, models)
    tasks = prompt_tasks(prompts, tastes[0].name, place.limit, place.seed)
    notes = [*leakage(tasks, of_run, ignore_leakage)]
    if warning := other_size(contenders, against):
        notes.append(warning)
    if oracle:
        contenders += [
            Contender(f"oracle {each.name}", against.model, style=each.name, taste=shown_taste(each.name))
            for each in tastes
        ]
    name = run_folder(run, "").name if run else "+".join(slug(each.rsplit("/", 1)[-1]) for each in model)
    folder = run_folder(place.out, f"style-{tastes[0].name}-{name}")
    asked = Asked(folder, tuple(tastes), tuple(contenders), against, tuple(tasks), place.repeats, keep_cut)
    if place.plan:
        _plan(asked, judge, notes, place.json)
        return None
    result, measured = compare(asked, judge, place, models, notes)
    if place.json:
        print_json(result)
    else:
        show(result)
    return 0 if measured else 1


def _taste(text: str) -> Taste:
    plan = parse(text)
    if len(plan.stages) > 1:
        raise ValueError(
            f"--style {text}: a sequence is judged one style at a time; give one, and the others with --also-styles"
        )
    (styles,) = plan.stages
    return Taste("+".join(each.name for each in styles), styles)


def _who(
    model: Sequence[str], baseline: str | None, run: str | None, steps: Sequence[int]
) -> tuple[Contender, list[Contender], list[Path]]:
    """Baseline, models, and the training runs that these come from."""
    if bool(run) == bool(model):
        raise ValueError("give --model or --run, one of them: what is to be compared with the baseline")
    if steps and not run:
        raise ValueError("--steps are those of a training run; give --run")
    if len(set(model)) < len(model):
        raise ValueError(f"--model {' '.join(model)}: one comes twice; for more replies to each prompt give --repeats")
    if run:
        folder = training_run(run)
        found, of_run = contenders_of(folder, steps), [folder]
    else:
        found = [Contender(each, each) for each in model]
        of_run = [path for each in model if (path := run_of(each))]
    if baseline is None:
        if not of_run:
            raise ValueError("give --baseline: no --model lies in a training run, which would say what it started from")
        baseline = started_from(of_run[0])
    if baseline in model:
        raise ValueError(f"--model {baseline} is the baseline itself; compare it with another")
    label = baseline.removeprefix("checkpoint/")
    return Contender(f"baseline {label}", baseline), found, list(dict.fromkeys(of_run))


def _plan(asked: Asked, judge: JudgeOptions, notes: Sequence[str], as_json: bool) -> None:
    replies = len(asked.tasks) * asked.samples
    pairs = replies * sum(1 for each in asked.contenders for taste in asked.tastes if each.style in (None, taste.name))
    told = {
        "folder": str(asked.folder),
        "baseline": asked.baseline.model,
        "models": [each.model for each in asked.contenders],
        "styles": [taste.name for taste in asked.tastes],
        "prompts": len(asked.tasks),
        "replies": replies * (1 + len(asked.contenders)),
        "judge": judge.judge_model or "rules",
        "judge_calls": 2 * pairs if judge.judge_model else 0,
        "notes": list(notes),
    }
    if as_json:
        print_json(told)
        return
    for key, value in told.items():
        text = ", ".join(value) if isinstance(value, list) else f"{value:,}" if isinstance(value, int) else value
        console.print(f"{key}: {text or '-'}", markup=False, highlight=False, soft_wrap=True)
