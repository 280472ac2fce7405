"""Preparing data, comparing checkpoints, and looking at signals."""

import inspect
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import machine
import prompts
import seats
from job import Findings, Job
from settings import Variables, folder, several

from usergym.cli.eval_style_models import contenders_of, started_from, training_run
from usergym.cli.eval_style_prompts import leakage
from usergym.data.prepare import helpsteer, tldr
from usergym.data.prepare.pipeline import Plan, check
from usergym.data.prepare.sources import open_source
from usergym.training import signal_cases
from usergym.training.hindsight import template_of
from usergym.users.styles.spec import parse


def prepare(v: Variables, found: Findings, extras: Sequence[str], source: str) -> Job:
    """Prompts from the hub, or from rows of the same shape."""
    recipe = tldr.Tldr() if source == "tldr" else helpsteer.HelpSteer()
    config = tldr.CONFIG if source == "tldr" and v.text("SOURCE") == tldr.SOURCE else None
    out, cache = v.output("OUT_DIR", ""), v.cache()
    given = v.text("SOURCE")
    flags = [["--source", given], ["--out", folder(out)]]
    owned = {"--source": "SOURCE", "--out": "OUT_DIR"}
    found.owned = owned
    job = Job(("prepare", source), f"usergym.cli.prepare_prompts:{source}", flags, owned, extras)
    job.environment = cache

    def estimate(bound: inspect.BoundArguments) -> list[str]:
        options = bound.arguments.get("options")
        plan: Plan = options.plan(str(out), bound.arguments.get("seed")) if options else Plan(out)
        with found.looking():
            there = open_source(given, config)
            check(recipe, there, plan)
            found.good.extend(there.told())
        found.good.extend(recipe.rules())
        return ["memory: rows are read one after the other; what is kept of each is a key of a few bytes"]

    job.estimate = estimate
    return job


EVAL = {
    "--style": "STYLE",
    "--run": "RUN_DIR",
    "--steps": "CKPTS",
    "--baseline": "BASELINE",
    "--judge-model": "JUDGE_MODEL",
    "--prompts": "DATA_PATH",
    "--limit": "EVAL_N",
    "--max-tokens": "MAX_NEW_TOKENS",
    "--seed": "SEED",
    "--out": "OUT_DIR",
}


def evaluate(v: Variables, found: Findings, extras: Sequence[str]) -> Job:
    """The checkpoints of a run against its own start, on prompts that it was not trained on."""
    run, data = v.text("RUN_DIR"), v.path("DATA_PATH") or Path()
    found.owned = EVAL
    steps, style = v.steps("CKPTS"), v.text("STYLE")
    baseline, judge = v.text("BASELINE"), seats.seated(v.text("JUDGE_MODEL"))
    system = v.choice("SYSTEM_PROMPT", tuple(prompts.SYSTEM))
    count, limit, seed = v.whole("EVAL_N", 2), v.whole("MAX_PROMPT_TOKENS"), v.whole("SEED", 0)
    longest, cache = v.whole("MAX_NEW_TOKENS"), v.cache()
    out = v.output("OUT_DIR", f"{run.rstrip('/') or '<RUN_DIR>'}/eval-{style.replace('/', '_')}")
    seat, chosen = seats.seated(baseline) or "", None
    with found.looking():
        place, models = _of_run(run, steps, style)
        seat = seat or started_from(place)
        found.good.append(f"RUN_DIR: {several(len(models), 'checkpoint')}, compared with {seat}")
        fits = prompts.fitting(seats.tokenizer(models[0], not found.dry), limit)
        wanted = prompts.Wanted(style, 1, seed, system, fits)
        drawn = prompts.choose("DATA_PATH", data, "validation", count, wanted)
        if len(drawn.tasks) < 2:
            raise ValueError(
                f"DATA_PATH={data}: {drawn.told}, and a win rate needs 2 or more; give a file of more prompts"
                + (", or raise MAX_PROMPT_TOKENS" if drawn.too_long else "")
            )
        chosen = drawn
        found.good.append(f"DATA_PATH: {chosen.told}")
        leakage(chosen.tasks, [place], "--ignore-leakage" in extras)
    for each in (seat, judge):
        with found.looking():
            seats.reachable(each or None)
    file = out / "prompts.jsonl"
    flags = [
        ["--style", style],
        ["--run", folder(Path(run or "<RUN_DIR>"))],
        *([["--steps", *map(str, steps)]] if steps else []),
        *([["--baseline", seat]] if baseline else []),
        *([["--judge-model", judge]] if judge else []),
        ["--prompts", folder(file)],
        ["--limit", str(len(chosen.tasks) if chosen else count)],
        ["--max-tokens", str(longest)],
        ["--seed", str(seed)],
        ["--out", folder(out)],
    ]
    job = Job(("eval", "style"), "usergym.cli.eval_style:eval_style", flags, EVAL, extras, environment=cache)
    if chosen:
        job.write = partial(prompts.write, file, chosen.tasks)
    who = {"a model that is compared": seat, "the judge": judge or seats.RULES}
    job.estimate = lambda _: _of_answers(found, who)
    return job


def _of_run(run: str, steps: Sequence[int], style: str) -> tuple[Path, list[str]]:
    """Its folder, and those of its checkpoints."""
    if not run:
        raise ValueError("RUN_DIR is not set; give the folder of a training run, which holds checkpoints/")
    if len(parse(style).stages) > 1:
        raise ValueError(f"STYLE={style}: a sequence is judged one style at a time; give one of them")
    place = training_run(run)
    return place, [each.model.removeprefix(seats.CHECKPOINT) for each in contenders_of(place, steps)]


def signals(v: Variables, found: Findings, extras: Sequence[str]) -> Job:
    """What reactions say of each token, on cases of ours or of a file."""
    model, cases = v.text("MODEL"), v.path("CASES_JSON")
    count, seed = v.whole("N_CASES"), v.whole("SEED", 0)
    frame, cache = v.text("TEMPLATE"), v.cache()
    out = v.output("OUT_DIR", "")
    flags = [
        ["--model", model],
        *([["--cases", str(cases)]] if cases else []),
        ["--n-cases", str(count)],
        ["--seed", str(seed)],
        ["--template", frame],
        ["--max-tokens", "256"],
        ["--min-tokens", "80"],
        ["--out", folder(out)],
    ]
    owned = {"--model": "MODEL", "--cases": "CASES_JSON", "--n-cases": "N_CASES", "--seed": "SEED"}
    owned |= {"--template": "TEMPLATE", "--out": "OUT_DIR"}
    found.owned = owned
    with found.looking():
        template_of(frame)
    with found.looking():
        if cases and not cases.exists():
            raise ValueError(f"CASES_JSON={cases}: there is no such file; check the path, or leave it out for ours")
        there = signal_cases.read(cases) if cases else signal_cases.own()
        played = f"{several(len(there), 'case')}, of which {count:,} {'is' if count == 1 else 'are'} played"
        if count > len(there):
            played = f"{several(len(there), 'case')}, played again with other replies until there are {count:,}"
        found.good.append(f"{'CASES_JSON' if cases else 'our own'}: {played}")
    job = Job(("signal",), "usergym.cli.signal:signal", flags, owned, extras, environment=cache)
    job.estimate = lambda _: _of_answers(found, {"the model": f"{seats.CHECKPOINT}{model}"})
    return job


def _of_answers(found: Findings, who: Mapping[str, str]) -> list[str]:
    lines = []
    there = machine.gpus()
    for name, seat in who.items():
        if model := seats.here(seat):
            with found.looking():
                lines.append(machine.of_asking(name, model, machine.shape_of(model, seats.found(model)), 1, there))
        elif seat:
            lines.append(f"memory for {name}: none here ({seat})")
    return lines
