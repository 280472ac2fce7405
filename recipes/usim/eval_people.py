"""eval_only: a model as held-out people, by `usergym eval users`."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import machine
import models
import numbers_of
import rows
import seats
from beginning import beginning
from choice import switch
from job import Findings, Job
from line import Line
from place import Place, place_of
from settings import Variables, folder

from usergym.environments.people.contexts import of_split, read_contexts
from usergym.users.states.modes import MODES, Mode, ModelType
from usergym.users.states.spec import LAST, THINK, Hierarchy, load

API = "openai/gpt-5"
"""Of the type that is asked over the network."""
SEVERAL = "separate_reward"
"""The mode of several levels in one reply."""
UNTRAINED = ("base", "userlm", "gpt-5")
"""How names of types begin that need no checkpoint."""
OWNED = {
    "--model": "MODEL_TYPE and RESUME",
    "--mode": "MODEL_TYPE",
    "--config": "MODEL_TYPE",
    "--hierarchy": "HIERARCHY_CONFIG",
    "--thinking": "MAX_GEN_LENGTH",
    "--temperature": "VAL_TEMPERATURE",
    "--limit": "EVAL_SIZE",
    "--judge-model": "EVAL_JUDGE_MODEL",
    "--out": "OUTPUT_DIR",
    "--seed": "SEED",
}


def evaluate(line: Line, v: Variables, found: Findings, extras: Sequence[str]) -> tuple[Job, Place]:
    found.owned = OWNED
    kind, start = line.kind, beginning(line.resume)
    base = models.base_of(v, kind.base)
    name = _model(found, kind, start.model, base)
    v.shown["HIERARCHY_CONFIG"] = v.text("HIERARCHY_CONFIG", kind.levels)
    hierarchy = load(v.shown["HIERARCHY_CONFIG"])
    thinks = switch(v, "ENABLE_THINKING", kind.thinking)
    mode = _mode(hierarchy, thinks)
    reply = numbers_of.counted(v, "MAX_GEN_LENGTH", "1024" if thinks else "512")
    said = hierarchy.level(LAST).max_tokens if LAST in hierarchy.names else 0
    count = numbers_of.counted(v, "EVAL_SIZE", rows.sizes(line.dataset)[1])
    judge = seats.seated(v.text("EVAL_JUDGE_MODEL"))
    data = _data(v, found, line, mode, count)
    for each in (name, judge):
        with found.looking():
            seats.reachable(each)
    flags = [
        ["--mode", mode.name],
        ["--hierarchy", v.shown["HIERARCHY_CONFIG"]],
        *([["--thinking", str(max(1, reply - said))]] if mode.thinking else []),
        ["--plays", "asked"],
        ["--temperature", v.text("VAL_TEMPERATURE")],
        ["--limit", str(count)],
        *([["--judge-model", judge]] if judge else []),
        ["--seed", str(v.whole("SEED", 0))],
    ]
    place = place_of(v, f"eval_{kind.name}_{line.dataset.name}", extras)
    here, template = seats.here(name), None
    if here and THINK not in hierarchy.names:
        template = models.template_of(found, here, mode.thinking)
    seated = f"{seats.CHECKPOINT}{folder(place.out / 'model')}" if template else name
    head = [[str(data)], ["--model", seated], ["--out", folder(place.out)]]
    job = Job(("eval", "users"), "usergym.cli.eval_users:eval_users", [*head, *flags], OWNED, extras)
    job.environment = dict(place.environment)
    if here and template:
        job.write = partial(models.with_template, here, template, place.out / "model")
        found.notes.append(f"the chat template of {here} is used with its thoughts {'on' if mode.thinking else 'off'}")
    job.estimate = lambda _: _memory(found, name, here, len(line.gpus))
    found.notes.extend(_told(kind, thinks, mode))
    return job, place


def _data(v: Variables, found: Findings, line: Line, mode: Mode, count: int) -> Path:
    with found.looking():
        data = rows.data_of(v, line.dataset, mode)
        there = sum(1 for _ in of_split(read_contexts(str(data)), "test"))
        if not there:
            raise ValueError(
                f"DATA={data} has no rows of the split test; give some, or FLAGS behind --: -- --split train"
            )
        found.good.append(f"{min(there, count):,} of {there:,} held-out contexts")
        return data
    return Path("<DATA>")


def _model(found: Findings, kind: ModelType, weights: str | None, base: str) -> str:
    """As usergym names it."""
    with found.looking():
        if kind.base == "api" and weights:
            raise ValueError(f"MODEL_TYPE {kind.name} is asked over the network, and RESUME={weights} is a folder")
        if not weights and not kind.name.startswith(UNTRAINED):
            raise ValueError(f"MODEL_TYPE {kind.name} is of a trained model; give RESUME: its global_step_N or its run")
    if kind.base == "api":
        return API
    return f"{seats.CHECKPOINT}{weights}" if weights else seats.seated(base) or base


def _told(kind: ModelType, thinks: bool, mode: Mode) -> list[str]:
    told = []
    if kind.item_dropout:
        told.append(f"{kind.name} is told {1 - kind.item_dropout:.0%} of a persona's items: DATA must be such rows")
    if thinks and mode.name == SEVERAL:
        told.append(f"{kind.name}: all levels are in one reply here, without thought before it")
    return told


def _mode(hierarchy: Hierarchy, thinks: bool) -> Mode:
    """One reply with all levels of the hierarchy. Where thought is one of them, the prompt asks for it already."""
    if len(hierarchy.judged) > 1:
        return MODES[SEVERAL]
    return MODES["response_only_think" if thinks and THINK not in hierarchy.names else "response_only"]


def _memory(found: Findings, name: str, model: str | None, there: int) -> list[str]:
    if model is None:
        return [f"memory for the model: none here ({name})"]
    with found.looking():
        return [machine.of_asking("the model", model, models.shape_of(model), 1, there)]
    return []
