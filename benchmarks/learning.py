"""Does it learn? A tiny model is made, taught by oracle play (`train cold-start`), then trained by `train grpo` against
the gym's simulated user, over several seeds; each is played on tasks it never saw. Every stage is skipped where its
output is complete, so the same command goes on where it stopped.

    python benchmarks/learning.py --seeds 3 --out runs/learning
"""

import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import cyclopts
import msgspec
from cyclopts import Parameter

from usergym.environments.base import load
from usergym.evaluation.statistics import Estimate, mean_interval, paired_difference
from usergym.models import tool_text
from usergym.rollouts.store import read_trajectories
from usergym.types import Message

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT))
HERE = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}
"""So that `benchmarks.travel_asking` is found, here and in the commands."""

STAGES = ("before", "sft", "grpo")
CALLED = {"before": "untrained", "sft": "after SFT", "grpo": "after GRPO"}


@dataclass(frozen=True)
class Setting:
    """One gym's run. Steps of GRPO are batches of prompts x group conversations."""

    spec: str
    replies: int
    max_tokens: int
    vocabulary: int = 4096
    hidden: int = 160
    layers: int = 3
    heads: int = 5
    taught: int = 400
    """Oracle conversations."""
    sft_steps: int = 300
    sft_batch: int = 32
    sft_rate: float = 3e-3
    steps: int = 70
    prompts: int = 8
    group: int = 8
    rate: float = 3e-4
    tasks: int = 100
    """Held out, of each kind."""


SETTINGS = {
    "intention": Setting("intention:actions=native", replies=8, max_tokens=12),
    "travel": Setting(
        "benchmarks.travel_asking:actions=native,level=44",
        replies=8,
        max_tokens=16,
        taught=2000,
        sft_steps=250,
        steps=60,
    ),
}
QUICK = {"taught": 40, "sft_steps": 10, "steps": 2, "tasks": 6}

KINDS = {"new tasks": ("train", 2000), "new topics": ("test", 0)}
"""What is held out. New tasks: of the topics that were trained on, with other people and other wants; drawn by another
seed. New topics: the test split, of which nothing was seen."""


def main(
    *,
    gyms: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = ("intention",),
    seeds: int = 3,
    out: Path = Path("runs/learning"),
    results: Path = Path("docs/results"),
    quick: bool = False,
    only: int | None = None,
) -> None:
    """Trains and measures.

    Parameters
    ----------
    gyms
        Which.
    seeds
        How many, from 0.
    out
        Where runs are kept.
    results
        Where learning.md, learning.json and the curves go once all is done.
    quick
        A smoke run: few steps, nothing is written to `results`.
    only
        This seed alone, and no results: for several at once.
    """
    settings = {name: replace(SETTINGS[name], **QUICK) if quick else SETTINGS[name] for name in gyms}
    for seed in range(seeds) if only is None else (only,):
        for name, setting in settings.items():
            run(setting, seed, out / name / f"seed{seed}")
    if only is not None:
        return
    measured = {name: measure(out / name, seeds) for name in gyms}
    told = {"settings": {name: asdict(setting) for name, setting in settings.items()}, "measured": measured}
    print(table(told))
    if not quick:
        write(told, out, results, seeds)


def run(setting: Setting, seed: int, folder: Path) -> None:
    model = folder / "untrained"
    if not (model / "config.json").exists():
        make(setting, seed, model)
    evaluate(setting, "before", model, folder)
    call(
        *("train", "cold-start", "--envs", setting.spec, "--model", model, "--out", folder / "sft"),
        *("--tasks-per-env", setting.taught, "--steps", setting.sft_steps, "--learning-rate", setting.sft_rate),
        *(
            "--batch",
            setting.sft_batch,
            "--micro-batch",
            setting.sft_batch,
            "--max-replies",
            setting.replies,
            "--seed",
            seed,
        ),
    )
    evaluate(setting, "sft", folder / "sft" / "model", folder)
    call(
        *("train", "grpo", "--envs", setting.spec, "--model", folder / "sft" / "model", "--out", folder / "grpo"),
        *("--steps", setting.steps, "--prompts", setting.prompts, "--group", setting.group, "--micro-batch", 64),
        *("--learning-rate", setting.rate, "--max-tokens", setting.max_tokens, "--max-replies", setting.replies),
        *(
            "--warmup",
            3,
            "--validation",
            0,
            "--eval-every",
            0,
            "--save-every",
            10,
            "--keep",
            1,
            "--seed",
            seed,
        ),
    )
    evaluate(setting, "grpo", folder / "grpo" / "model", folder)


def make(setting: Setting, seed: int, folder: Path) -> None:
    """A model that knows nothing; its tokenizer has read the oracle's training conversations."""
    from usergym.training.tiny import make as make_tiny

    heard = folder.parent / "heard"
    call(
        *("rollout", "--env", setting.spec, "--split", "train", "--model", "oracle", "--limit", setting.taught),
        *("--out", heard),
    )
    texts = [m.content for each in read_trajectories(heard) for m in each.view("assistant") if m.role != "system"]
    environment = load(setting.spec)
    fixed = set()
    for task in islice(environment.tasks("train", seed), 20):
        world = environment.start(task)
        shown = tool_text.render([Message("system", world.system)], world.tools("assistant"))
        fixed.add(shown[0].content)
    make_tiny(
        folder,
        texts,
        fixed=sorted(fixed),
        vocabulary=setting.vocabulary,
        hidden=setting.hidden,
        layers=setting.layers,
        heads=setting.heads,
        phrases=True,
        seed=seed,
    )


def evaluate(setting: Setting, stage: str, model: Path, folder: Path) -> None:
    for kind, (split, seed) in KINDS.items():
        call(
            *("rollout", "--env", setting.spec, "--model", f"checkpoint/{model}", "--split", split),
            *(
                "--seed",
                seed,
                "--limit",
                setting.tasks,
                "--max-replies",
                setting.replies,
                "--temperature",
                1,
            ),
            *("--max-tokens", setting.max_tokens, "--out", folder / f"{stage} {kind}".replace(" ", "-")),
        )


def call(*words: object, failures: bool = False) -> None:
    """One command of the public door, told with its time. `failures`: some of its conversations may fail."""
    started = time.monotonic()
    command = [sys.executable, "-m", "usergym", *map(str, words)]
    print("usergym", *map(str, words), flush=True)
    done = subprocess.run([*command, "--json"], stdout=subprocess.DEVNULL, env=HERE)
    if done.returncode > failures:
        sys.exit(f"that ended with {done.returncode}; run the same command again to go on")
    print(f"  {time.monotonic() - started:.0f} s", flush=True)


def measure(folder: Path, seeds: int) -> dict[str, Any]:
    """Of each kind of task and each stage: mean over seeds with its interval, and each seed's mean."""
    found: dict[str, Any] = {}
    for kind in KINDS:
        rewards = {
            stage: [read(folder / f"seed{seed}" / f"{stage} {kind}") for seed in range(seeds)] for stage in STAGES
        }
        whole = {stage: pooled(each) for stage, each in rewards.items()}
        found[kind] = {
            stage: {
                **told(mean_interval(whole[stage])),
                "seeds": [told(mean_interval(each))["mean"] for each in rewards[stage]],
            }
            for stage in STAGES
        }
        found[kind]["gain of GRPO over SFT"] = told(paired_difference(whole["sft"], whole["grpo"]))
    return found


def read(folder: Path) -> dict[str, list[float]]:
    by_task: defaultdict[str, list[float]] = defaultdict(list)
    for trajectory in read_trajectories(Path(str(folder).replace(" ", "-"))):
        reward = trajectory.reward()
        if reward is not None:
            by_task[trajectory.task.id].append(reward)
    return by_task


def pooled(seeds: Sequence[Mapping[str, list[float]]]) -> dict[str, list[float]]:
    """Tasks, or people, are what is counted: the samples of one by all seeds' models stand together."""
    keys = sorted({key for each in seeds for key in each})
    return {key: [value for each in seeds for value in each.get(key, ())] for key in keys}


def told(estimate: Estimate | None) -> dict[str, Any]:
    return asdict(estimate) if estimate else {"mean": None, "low": None, "high": None, "tasks": 0, "samples": 0}


def table(told: Mapping[str, Any]) -> str:
    lines = ["| gym | held out | stage | reward | 95 % interval by tasks | seeds |", "|---|---|---|---|---|---|"]
    for gym, kinds in told["measured"].items():
        for kind, stages in kinds.items():
            for stage, name in CALLED.items():
                row = stages[stage]
                means = ", ".join(f"{each:.3f}" for each in row["seeds"])
                lines.append(f"| {gym} | {kind} | {name} | {row['mean']:.3f} | {interval(row)} | {means} |")
            gain = stages["gain of GRPO over SFT"]
            lines.append(f"| {gym} | {kind} | GRPO less SFT, paired | {gain['mean']:+.3f} | {interval(gain)} | |")
    return "\n".join(lines)


def interval(row: Mapping[str, Any]) -> str:
    return "-" if row["low"] is None else f"{row['low']:.3f} to {row['high']:.3f}"


def gains(rewards: Mapping[str, Mapping[str, list[float]]], called: Mapping[str, str], *pairs: str) -> dict[str, Any]:
    """Of each stage of one run: its mean; and of each `"before after"` what the later one adds, on the same tasks."""
    found = {called[stage]: told(mean_interval(each)) for stage, each in rewards.items()}
    for first, second in (pair.split() for pair in pairs):
        name = f"{called[second]} less {called[first]}, paired"
        found[name] = told(paired_difference(rewards[first], rewards[second]))
    return found


def report(found: Mapping[str, Mapping[str, Any]], head: str, page: Path | None, unsure: str) -> None:
    """Prints the table of `gains` and writes it to `page`, a .md, with a .json beside it. `unsure` is said where the
    last one's interval contains 0."""
    lines = ["| stage | score | 95 % interval |", "|---|---|---|"]
    lines += [f"| {name} | {row['mean']:.3f} | {interval(row)} |" for name, row in found.items()]
    *_, (name, last) = found.items()
    if last["low"] is None or last["low"] <= 0 <= last["high"]:
        lines += ["", unsure]
    elif last["high"] < 0:
        lines += ["", f"It lost: the interval of {name} is below 0."]
    text = "\n".join(lines)
    print(text)
    if page:
        page.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")
        page.write_text(f"{head}\n{text}\n")


def bands(lines: Mapping[tuple[str, str], Mapping[int, Sequence[float]]], path: Path) -> None:
    """By run and what was scored: the values of every step, drawn as their mean over five steps, with a band of 1.96
    standard errors; a panel for each run."""
    import altair
    import vl_convert

    rows = []
    for (run, scored), by_step in lines.items():
        for step in by_step:
            near = [value for other in range(step - 2, step + 3) for value in by_step.get(other, ())]
            mean = sum(near) / len(near)
            error = 1.96 * (sum((value - mean) ** 2 for value in near) / len(near) / len(near)) ** 0.5
            row = {"run": run, "scored": scored, "step": step, "mean": mean}
            rows.append({**row, "low": mean - error, "high": mean + error})
    base = altair.Chart(altair.Data(values=rows)).encode(x=altair.X("step:Q", title="step"), color="scored:N")
    band = base.mark_area(opacity=0.25).encode(
        y=altair.Y("low:Q", title="score", scale=altair.Scale(domain=[0, 1])), y2="high:Q"
    )
    line = base.mark_line().encode(y="mean:Q")
    chart = (band + line).properties(width=190, height=130).facet(altair.Facet("run:N", title=None), columns=4)
    path.write_bytes(vl_convert.vegalite_to_png(chart.properties(background="white").to_dict(), scale=1.5))


def write(told: Mapping[str, Any], out: Path, results: Path, seeds: int) -> None:
    results.mkdir(parents=True, exist_ok=True)
    (results / "learning.json").write_text(json.dumps(told, indent=1) + "\n")
    pictures = [draw(gym, out / gym, seeds, results) for gym in told["measured"]]
    text = (Path(__file__).parent / "learning.md.in").read_text()
    from usergym.training.checkpoints import check

    made = {gym: check(str(out / gym / "seed0" / "untrained")).shape for gym in told["measured"]}
    sizes = ", ".join(f"{shape.parameters / 1e6:.1f} million parameters" for shape in made.values() if shape)
    shown = "\n\n".join(f"![{path.stem}]({path.name})" for path in pictures)
    settings = "\n".join(f"- {gym}: `{json.dumps(each)}`" for gym, each in told["settings"].items())
    (results / "learning.md").write_text(
        text.replace("{parameters}", sizes)
        .replace("{table}", table(told))
        .replace("{curves}", shown)
        .replace("{settings}", settings)
    )


def draw(gym: str, folder: Path, seeds: int, results: Path) -> Path:
    """Training reward by step: each seed smoothed over ten steps, and their mean."""
    import altair
    import vl_convert

    rows = []
    for seed in range(seeds):
        lines = (folder / f"seed{seed}" / "grpo" / "metrics.jsonl").read_bytes().splitlines()
        found = [
            (row["step"], row["reward"]) for row in map(msgspec.json.decode, lines) if row.get("reward") is not None
        ]
        for place, (step, _) in enumerate(found):
            window = [value for _, value in found[max(0, place - 9) : place + 1]]
            rows.append({"step": step, "reward": sum(window) / len(window), "seed": f"seed {seed}"})
    base = altair.Chart(altair.Data(values=rows)).encode(
        x=altair.X("step:Q", title="GRPO step"),
    )
    lines = base.mark_line(opacity=0.45).encode(
        y=altair.Y("reward:Q", title="reward of training conversations, mean of ten steps"),
        color=altair.Color("seed:N", title=None),
    )
    mean = base.mark_line(color="black", strokeWidth=2.5).encode(y="mean(reward):Q")
    chart = (lines + mean).properties(title=f"{gym}: black is the mean of the seeds", width=520, height=260)
    path = results / f"learning_{gym}.png"
    path.write_bytes(vl_convert.vegalite_to_png(chart.properties(background="white").to_dict(), scale=2))
    return path


if __name__ == "__main__":
    cyclopts.run(main)
