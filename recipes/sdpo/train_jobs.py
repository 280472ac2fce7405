"""Training, online and offline."""

import inspect
from collections.abc import Sequence
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

import machine
import prompts
import seats
from job import Findings, Job
from settings import Variables, folder, several

from usergym.data.convert import read_conversations
from usergym.training import trackers
from usergym.training.sdpo_config import SdpoConfig
from usergym.users.styles.spec import parse

PLACE = "usergym.cli.train_sdpo:sdpo"
FORMS = ("usergym", "legacy-online", "legacy-offline")
BATCH = "BS x GA x WORLD_SIZE"
OWNED = {
    "--model": "MODEL_NAME_OR_PATH",
    "--learning-rate": "LR",
    "--micro-batch": "BS",
    "--prompts": BATCH,
    "--steps": "TRAIN_N",
    "--envs": "STYLE",
    "--tasks": "TRAIN_JSONL",
    "--validation-tasks": "VAL_JSONL",
    "--validation": "EVAL_N",
    "--user-model": "USER_MODEL_NAME_OR_PATH",
    "--seed": "SEED",
    "--out": "OUTPUT_DIR",
    "--sdpo": "SDPO",
    "--anchor": "ANCHOR",
    "--max-tokens": "MAX_NEW_TOKENS",
    "--save-every": "SAVE_EVERY",
    "--eval-every": "EVAL_EVERY",
    "--project": "WANDB_PROJECT",
}
SHARED = ("LR", "BS", "SEED", "OUTPUT_DIR", "SDPO", "ANCHOR", "SAVE_EVERY")
OFFLINE = {
    **{flag: name for flag, name in OWNED.items() if name in SHARED},
    "--model": "BASE_MODEL",
    "--prompts": BATCH,
    "--epochs": "EPOCHS",
    "--max-length": "MAX_LENGTH",
    "--project": "WANDB_PROJECT",
}
WARMUP = 0.05
"""Of an offline run's steps."""


def online(v: Variables, found: Findings, extras: Sequence[str], runs: str) -> Job:
    """Prompts are chosen, written down as tasks, and trained on once."""
    found.owned = OWNED
    policy, user = v.text("MODEL_NAME_OR_PATH"), v.text("USER_MODEL_NAME_OR_PATH")
    style, _ = v.text("STYLE"), v.number("LR")
    each, batch, world = _batch(v, extras)
    system = v.choice("SYSTEM_PROMPT", tuple(prompts.SYSTEM))
    files = (v.path("TRAIN_JSONL") or Path(), v.path("VAL_JSONL") or Path())
    counts = (v.whole("TRAIN_N"), v.whole("EVAL_N", 0))
    limit, seed = v.whole("MAX_PROMPT_TOKENS"), v.whole("SEED", 0)
    form, longest = _form(v), v.whole("MAX_NEW_TOKENS")
    save, check, every = v.whole("SAVE_EVERY"), v.whole("EVAL_EVERY", 0), v.whole("STYLE_EVERY")
    thinks, reaction, heat = v.yes("ENABLE_THINKING"), v.whole("USER_MAX_TOKENS"), v.text("USER_TEMPERATURE")
    out, config, environment = _places(v, extras, runs, policy, style)

    seat = seats.seated(user, policy)
    tokenizer, template = _looked_at(found, policy, thinks, seat, extras)
    fits = None
    with found.looking():
        fits = prompts.fitting(tokenizer, limit) if tokenizer else None
    chosen = _chosen(found, files, counts, prompts.Wanted(style, every, seed, system, fits))
    kept, held_out = (len(each.tasks) if each else count for each, count in zip(chosen, counts, strict=True))
    steps = max(1, kept // batch)
    spec = f"style:style={style}" + (f",every={every}" if ">" in style else "")
    spec += f",reaction_tokens={reaction}" if seat else ""
    flags = [
        ["--envs", spec],
        ["--tasks", folder(out / "tasks" / "train.jsonl")],
        *([["--validation-tasks", folder(out / "tasks" / "validation.jsonl")]] if held_out else []),
        *([["--user-model", seat], ["--user-temperature", heat]] if seat else []),
        ["--model", policy],
        *form,
        *_sizes(v, batch, each, seed, out),
        ["--steps", str(steps)],
        ["--schedule", "constant"],
        ["--max-tokens", str(longest)],
        ["--validation", str(held_out)],
        ["--eval-every", str(check if held_out else 0)],
        ["--save-every", str(save)],
        ["--keep", str(ceil(steps / save))],
        *([["--chat-template", folder(out / "chat_template.jinja")]] if template else []),
        *_tracked(v),
    ]
    calls = steps * batch + held_out * (len({*range(0, steps, check), steps}) if check and held_out else 0)
    told = {None: "of the rules", seats.FROZEN: "of the policy as it was at the start"}.get(seat, f"of {seat}")
    found.good.append(f"{_steps(steps, batch, 'prompt')}; {several(calls, 'reaction')} {told} in all")
    if kept < batch:
        there = "there is only 1" if kept == 1 else f"there are only {kept:,}"
        found.good.append(f"a step takes {batch:,} prompts and {there}, so some come more than once")
    job = Job(("train", "sdpo"), PLACE, flags, OWNED, extras, world, machine.gpus(), config, environment)
    job.write = partial(_write, out, chosen, template)
    job.estimate = partial(_estimate, job, found, policy, limit, seats.here(seat, policy))
    return job


def offline(v: Variables, found: Findings, extras: Sequence[str], runs: str) -> Job:
    """Recorded tuples, gone through as often as EPOCHS says."""
    found.owned = OFFLINE
    model, _, (each, batch, world) = v.text("BASE_MODEL"), v.number("LR"), _batch(v, extras)
    data = v.path("TRAIN_JSONL")
    epochs, seed = v.number("EPOCHS"), v.whole("SEED", 0)
    form, longest, save = _form(v), v.whole("MAX_LENGTH"), v.whole("SAVE_EVERY")
    thinks = v.yes("ENABLE_THINKING")
    out, config, environment = _places(v, extras, runs, model)

    _, template = _looked_at(found, model, thinks, None, extras)
    rows = 0
    with found.looking():
        if data is None:
            raise ValueError(
                "TRAIN_JSONL is not set; give a file of tuples (x, y, o), as usergym prepare wildfeedback writes one"
            )
        if not data.exists():
            raise ValueError(f"TRAIN_JSONL={data}: there is no such file; check the path")
        rows = sum(1 for _ in read_conversations(data))
        found.good.append(f"TRAIN_JSONL: {several(rows, 'conversation')}")
    steps = max(1, ceil(rows / batch * epochs))
    flags = [
        [str(data or "<TRAIN_JSONL>")],
        ["--model", model],
        *form,
        *_sizes(v, batch, each, seed, out),
        ["--epochs", v.text("EPOCHS")],
        ["--schedule", "cosine"],
        ["--warmup", str(round(WARMUP * steps))],
        ["--max-grad-norm", "10"],
        ["--max-length", str(longest)],
        ["--eval-every", "0"],
        ["--save-every", str(save)],
        *([["--chat-template", folder(out / "chat_template.jinja")]] if template else []),
        *_tracked(v),
    ]
    found.good.append(f"about {_steps(steps, batch, 'conversation')}")
    job = Job(("train", "sdpo"), PLACE, flags, OFFLINE, extras, world, machine.gpus(), config, environment)
    job.write = partial(_write, out, (), template)
    job.estimate = partial(_estimate, job, found, model, 0, None)
    return job


def _batch(v: Variables, extras: Sequence[str]) -> tuple[int, int, int]:
    """In one forward pass; in one step, over all processes; processes."""
    each, accumulated, world = v.whole("BS"), v.whole("GA"), max(1, v.whole("WORLD_SIZE", 0))
    batch = each * accumulated * world
    if batch < 2 and not any(text.partition("=")[0] == "--group" for text in extras):
        raise ValueError(
            f"{BATCH} is {each} x {accumulated} x {world}, and a step is of 2 conversations or more; give GA=2"
        )
    return each, batch, world


def _steps(steps: int, batch: int, of: str) -> str:
    return f"{several(steps, 'step')} of {several(batch, of)}{' each' * (steps != 1)}"


def _form(v: Variables) -> list[list[str]]:
    form = [["--sdpo", v.choice("SDPO", FORMS)]]
    if v.text("ANCHOR"):
        v.number("ANCHOR", above=False)
        form.append(["--anchor", v.text("ANCHOR")])
    return form


def _places(v: Variables, extras: Sequence[str], runs: str, *named: str) -> tuple[Path, Path | None, dict[str, str]]:
    """The run's folder, accelerate's configuration, and what is added to the environment."""
    lasting = [each for each in extras if each not in ("--fresh", "--resume", "--json")]
    name = v.run_id([each.rstrip("/").rpartition("/")[2] for each in named], lasting)
    config, cache = v.path("ACCELERATE_CONFIG"), v.cache()
    base = v.text("BASE_WORK")
    out = v.output("OUTPUT_DIR", f"{base}/{runs}/{name}")
    v.text("WANDB_PROJECT")
    added = {"WANDB_NAME": v.text("WANDB_NAME", name)}
    return out, config, added | cache


def _sizes(v: Variables, batch: int, each: int, seed: int, out: Path) -> list[list[str]]:
    return [
        ["--out", folder(out)],
        ["--prompts", str(batch)],
        ["--micro-batch", str(each)],
        ["--learning-rate", v.text("LR")],
        ["--seed", str(seed)],
        ["--gradient-checkpointing"],
    ]


def _tracked(v: Variables) -> list[list[str]]:
    wanted = v.environ.get("WANDB_API_KEY") and v.environ.get("WANDB_MODE") != "disabled"
    return [["--track", *(("console", "wandb") if wanted else ("console",))], ["--project", v.text("WANDB_PROJECT")]]


def _looked_at(
    found: Findings, policy: str, thinks: bool, seat: str | None, extras: Sequence[str]
) -> tuple[Any, str | None]:
    """The policy's tokenizer, and its chat template where the run has another than its own."""
    tokenizer, template = None, None
    with found.looking():
        tokenizer = seats.tokenizer(policy, not found.dry)
        given = any(each.partition("=")[0] == "--chat-template" for each in extras)
        if tokenizer is None:
            found.good.append(f"{policy} is not on this machine yet: prompts are not counted in tokens")
            template = seats.UNTHINKING if policy in machine.DOCUMENTED else None  # its own follows, once it is here
        elif not given and not tokenizer.chat_template:
            raise ValueError(f"model {policy!r} has no chat template; give one behind --: -- --chat-template FILE")
        else:
            template = seats.unthinking(tokenizer)
        template = None if thinks or given else template
    with found.looking():
        seats.reachable(seat)
    return tokenizer, template


def _chosen(
    found: Findings, files: tuple[Path, Path], counts: tuple[int, int], wanted: prompts.Wanted
) -> list[prompts.Chosen | None]:
    """Of the file that is trained on and of the one that is validated on; None where there is nothing."""
    made: list[prompts.Chosen | None] = [None, None]
    with found.looking():
        parse(wanted.style)
        for place, (name, split) in enumerate((("TRAIN_JSONL", "train"), ("VAL_JSONL", "validation"))):
            if not counts[place]:
                continue
            with found.looking():
                one = prompts.choose(name, files[place], split, counts[place], wanted)
                made[place] = one
                found.good.append(f"{name}: {one.told}")
        if made[0] and made[1]:
            prompts.apart(made[0].tasks, made[1].tasks)
    return made


def _write(out: Path, chosen: Sequence[prompts.Chosen | None], template: str | None) -> None:
    for split, each in zip(("train", "validation"), chosen, strict=False):
        if each:
            prompts.write(out / "tasks" / f"{split}.jsonl", each.tasks)
    if template:
        seats.write_template(out / "chat_template.jinja", template)


def _estimate(
    job: Job, found: Findings, policy: str, prompt: int, user: str | None, bound: inspect.BoundArguments
) -> list[str]:
    config: SdpoConfig = bound.arguments["config"]
    accelerate: dict[str, Any] = {}
    with found.looking():
        accelerate = machine.accelerate_config(job.accelerate)
        named = accelerate.get("num_processes", job.world)
        if unused := machine.unused(job.world, job.there, job.accelerate):
            found.notes.append(unused)
            accelerate = {}
        elif named != job.world:
            found.notes.append(f"ACCELERATE_CONFIG has num_processes: {named}; WORLD_SIZE={job.world} is used")
        machine.whole_weights(accelerate)
    with found.looking():
        machine.enough(job.world, job.there)
    with found.looking():
        config.accumulation(job.world)
        trackers.check(config.track)
    shape = None
    with found.looking():
        shape = machine.shape_of(policy, seats.found(policy))
        config.context(shape.context if shape else None)
    lines = machine.of_training(config, shape, prompt, job.world, job.there, accelerate)
    if user:
        theirs = shape if user == policy else machine.shape_of(user, seats.found(user))
        lines.append(machine.of_asking("the user", user, theirs, job.world, job.there))
    return lines
