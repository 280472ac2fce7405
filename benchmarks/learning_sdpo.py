"""Does a model learn from how its user reacts? A tiny model is taught to speak, and to read in hindsight
(small_talk.py); then `usergym train sdpo` has it play against users whose reactions come from exact rules. Every stage
is skipped where its output is complete, so the same command goes on where it stopped.

    python benchmarks/learning_sdpo.py --out runs/learning_sdpo --results docs/results
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import cyclopts
import msgspec
import small_talk
from learning import bands, call, interval, pooled, read, told

from usergym.environments.style.topical import amiss
from usergym.evaluation.statistics import mean_interval, paired_difference
from usergym.training import unread
from usergym.training.hindsight import SLOT, template_of
from usergym.training.record import read_metrics
from usergym.types import Trajectory
from usergym.users.styles.rules import score
from usergym.users.styles.spec import get

STEPS, TASKS, REPEATS = 30, 200, 2
SIZE = {"layers": 4, "heads": 4}
ALONE, GROUPED = ("--prompts", 64, "--group", 1), ("--prompts", 16, "--group", 4)
MAIN = "no_lists"


@dataclass(frozen=True)
class Way:
    """One run of every seed."""

    name: str
    style: str = MAIN
    env: str = ""
    flags: tuple[object, ...] = ()
    batch: tuple[object, ...] = ALONE
    steps: int = STEPS
    measured: tuple[str, ...] = (MAIN,)
    verb: str = "sdpo"
    rate: float = 1e-4


NONE, BASE, EMA = ("--anchor", 0), ("--teacher", "base"), ("--teacher", "ema")
BARE = ("--control", "none")
UNRELATED = ",reactions=unrelated"
THREE = ",turns=3"
"""A user who reacts to every reply, and is paid for at each."""

WAYS = (
    Way("default"),
    Way("GRPO on the score", batch=GROUPED, verb="grpo"),
    Way("GRPO, three replies", env=THREE, batch=GROUPED, verb="grpo", flags=("--max-replies", 3)),
    Way("unrelated reactions", env=UNRELATED),
    Way("flip", "no_lists>more_lists", f",every={45 * 64}", steps=90, measured=("no_lists", "more_lists")),
    Way("no anchor", flags=NONE),
    Way("no anchor, teacher EMA", flags=(*NONE, *EMA)),
    Way("teacher EMA", flags=EMA),
    Way("no control", flags=BARE),
    Way("no control, no anchor, teacher base", flags=(*BARE, *NONE, *BASE)),
    Way("grouped", batch=GROUPED),
    Way("cross-fitted", flags=("--cross-fit",), batch=GROUPED),
    Way("another style", "no_emojis", measured=("no_emojis",)),
    Way("unrelated reactions, no control, no anchor", env=UNRELATED, flags=(*BARE, *NONE)),
    Way("published online form", flags=("--sdpo", "legacy-online")),
    Way("control shuffled", flags=("--control", "shuffled")),
    Way("top 20 tokens, teacher base", flags=("--estimator", "topk", *BASE)),
)


def main(
    *,
    out: Path = Path("runs/learning_sdpo"),
    results: Path | None = None,
    seeds: int = 3,
    only: int | None = None,
    ways: tuple[str, ...] = (),
    steps: int = 0,
) -> None:
    """Teaches, trains and measures.

    Parameters
    ----------
    out
        Where runs are kept.
    results
        Folder for learning_sdpo.md, .json and .png; nothing is written unless given.
    seeds
        How many, from 0.
    only
        This seed alone, and no results: for several at once.
    ways
        These alone; all unless given.
    steps
        Of each run, in place of those of the experiment: a smoke run.
    """
    chosen = [way for way in WAYS if not ways or way.name in ways]
    for seed in range(seeds) if only is None else (only,):
        model = taught(out / f"seed{seed}", seed)
        for style in sorted({each for way in chosen for each in way.measured}):
            evaluate(model, style, before(out, seed, style), out)
        for turns in ("", THREE):
            untrained = out / f"seed{seed}" / "untrained"
            evaluate(untrained, MAIN, out / f"seed{seed}" / f"raw{len(turns)}", out, turns)
        evaluate(model, MAIN, before(out, seed, MAIN, THREE), out, THREE)
        for way in chosen:
            train(way, model, out, seed, steps or way.steps)
    if only is not None:
        return
    found = [measured(way, out, seeds) for way in chosen]
    print(table(found))
    if results:
        write(found, chosen, out, seeds, results)


def taught(folder: Path, seed: int) -> Path:
    """A model that speaks in every manner, and knows what a reaction asks for."""
    from usergym.training import tiny

    data = small_talk.write(folder.parent)[0]
    untrained = folder / "untrained"
    if not (untrained / "config.json").exists():
        texts = [m["content"] for line in data.read_text().splitlines() for m in json.loads(line)["messages"]]
        frame = template_of("neutral").text.replace(SLOT, "")
        tiny.make(
            untrained, texts, fixed=[frame], vocabulary=2000, phrases=True, hidden=128, context=512, seed=seed, **SIZE
        )
    call(
        *("train", "sft", data, "--model", untrained, "--out", folder / "taught", "--epochs", 6, "--batch", 64),
        *("--micro-batch", 64, "--learning-rate", 2e-3, "--seed", seed),
    )
    return folder / "taught" / "model"


def environment(style: str, out: Path, more: str = "") -> str:
    return f"style:style={style},prompts={out / 'prompts.jsonl'},held_out=0.2{more}"


def train(way: Way, model: Path, out: Path, seed: int, steps: int) -> None:
    call(
        *("train", way.verb, "--envs", environment(way.style, out, way.env), "--model", model),
        *("--out", run(way, out, seed), "--steps", steps, *way.batch, "--micro-batch", 64, "--max-tokens", 64),
        *("--learning-rate", way.rate, "--warmup", 2, "--validation", 0, "--eval-every", 0, "--save-every", 10),
        *("--keep", 1, "--seed", seed, *way.flags),
    )
    turns = THREE if way.env == THREE else ""
    for style in way.measured:
        evaluate(run(way, out, seed) / "model", style, run(way, out, seed) / f"test-{style}", out, turns)


def before(out: Path, seed: int, style: str, turns: str = "") -> Path:
    return out / f"seed{seed}" / f"taught-{style}{'-three' if turns == THREE else ''}"


def run(way: Way, out: Path, seed: int) -> Path:
    return out / f"seed{seed}" / "".join(each if each.isalnum() else "-" for each in way.name)


def evaluate(model: Path, style: str, folder: Path, out: Path, turns: str = "") -> None:
    call(
        *("rollout", "--env", environment(style, out, turns), "--model", f"checkpoint/{model}", "--split", "test"),
        *("--limit", TASKS, "--repeats", REPEATS, "--temperature", 1, "--max-tokens", 64, "--out", folder),
    )


def measured(way: Way, out: Path, seeds: int) -> dict[str, Any]:
    """Held-out score under every style before and after, and the difference by request."""
    rows = {}
    for style in way.measured:
        taught_ones = pooled([read(before(out, seed, style, way.env)) for seed in range(seeds)])
        each = [read(run(way, out, seed) / f"test-{style}") for seed in range(seeds)]
        after = pooled(each)
        rows[style] = {
            "before": told(mean_interval(taught_ones)),
            "after": told(mean_interval(after)),
            "gain": told(paired_difference(taught_ones, after)),
            "seeds": [told(mean_interval(one))["mean"] for one in each],
            "answers": answering([run(way, out, seed) / f"test-{style}" for seed in range(seeds)]),
        }
    return {"way": way.name, "style": way.style, "styles": rows}


def table(found: Sequence[Mapping[str, Any]]) -> str:
    lines = [
        "| run | user's style | measured | before | after | gain, paired | 95 % interval | after, by seed | answers |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for way in found:
        for style, row in way["styles"].items():
            by_seed = ", ".join(f"{each:.3f}" for each in row["seeds"])
            lines.append(
                f"| {way['way']} | {way['style']} | {style} | {row['before']['mean']:.3f} | {row['after']['mean']:.3f} "
                f"| {row['gain']['mean']:+.3f} | {interval(row['gain'])} | {by_seed} | {row['answers']:.2f} |"
            )
    return "\n".join(lines)


def by_grpo(out: Path, seeds: int) -> str:
    """The gym learned from its rewards: untrained, taught, and trained by GRPO on the same held-out requests."""
    lines = ["| conversations | stage | held-out reward | 95 % interval | by seed |", "|---|---|---|---|---|"]
    for way in WAYS:
        if way.verb != "grpo":
            continue
        turns = way.env
        called = "of three replies" if turns else "of one reply"
        stages = {
            "untrained": [out / f"seed{seed}" / f"raw{len(turns)}" for seed in range(seeds)],
            "after SFT": [before(out, seed, MAIN, turns) for seed in range(seeds)],
            "after GRPO": [run(way, out, seed) / f"test-{MAIN}" for seed in range(seeds)],
        }
        each = {stage: [read(folder) for folder in folders] for stage, folders in stages.items()}
        for stage, found in each.items():
            row = told(mean_interval(pooled(found)))
            means = ", ".join(f"{told(mean_interval(one))['mean']:.3f}" for one in found)
            lines.append(f"| {called} | {stage} | {row['mean']:.3f} | {interval(row)} | {means} |")
        gain = told(paired_difference(pooled(each["after SFT"]), pooled(each["after GRPO"])))
        lines.append(f"| {called} | GRPO less SFT, paired | {gain['mean']:+.3f} | {interval(gain)} | |")
    return "\n".join(lines)


def by_reading(ways: Sequence[Way], found: Sequence[Mapping[str, Any]], out: Path, seeds: int) -> str:
    """What a reaction did to the model in a run's first steps, in multiples of what an unrelated remark did."""
    lines = [f"| run | reaction / unrelated remark, steps 1-{unread.STEPS}, by seed | gain |", "|---|---|---|"]
    for way, row in zip(ways, found, strict=True):
        each = [ratio(run(way, out, seed)) for seed in range(seeds)]
        if way.verb == "sdpo" and None not in each:
            gain = row["styles"][way.measured[0]]["gain"]["mean"]
            lines.append(f"| {way.name} | {', '.join(f'{one:.2f}' for one in each)} | {gain:+.3f} |")
    return "\n".join(lines)


def ratio(folder: Path) -> float | None:
    first = [row for row in read_metrics(folder) if row["step"] <= unread.STEPS and row.get(unread.CONTROL)]
    return fmean(row[unread.EFFECT] for row in first) / fmean(row[unread.CONTROL] for row in first) if first else None


def scores(folder: Path, style: str, batch: int = 64) -> Iterator[tuple[int, float]]:
    """Step and score of every training reply, the policy's own at that step: what the environment would pay for it
    under this style."""
    styles = (get(style),)
    for line in (folder / "trajectories.jsonl").read_bytes().splitlines():
        trajectory = msgspec.json.decode(line, type=Trajectory)
        said = [turn.message.content for turn in trajectory.turns if turn.speaker == "assistant"]
        if trajectory.error is None and said:
            value = 0.0 if amiss(trajectory.task.opening[-1].said, said[-1]) else score(styles, said[-1])
            assert value is not None
            yield trajectory.sample // batch + 1, value


def answering(folders: Sequence[Path]) -> float:
    """The share of replies that are an answer to their request."""
    found = [
        reward.value
        for folder in folders
        for line in (folder / "trajectories.jsonl").read_bytes().splitlines()
        for reward in msgspec.json.decode(line, type=Trajectory).rewards
        if reward.name == "on_topic" and reward.value is not None
    ]
    return sum(found) / len(found)


def write(found: Sequence[Mapping[str, Any]], ways: Sequence[Way], out: Path, seeds: int, results: Path) -> None:
    results.mkdir(parents=True, exist_ok=True)
    (results / "learning_sdpo.json").write_text(json.dumps(found, indent=1) + "\n")
    draw(ways, out, seeds, results / "learning_sdpo.png")
    from usergym.training.checkpoints import check

    shape = check(str(out / "seed0" / "untrained")).shape
    text = (Path(__file__).parent / "learning_sdpo.md.in").read_text()
    told = {
        "{parameters}": f"{shape.parameters / 1e6:.1f} million parameters" if shape else "unknown size",
        "{tasks}": str(TASKS),
        "{seeds}": "One seed." if seeds == 1 else f"{seeds} seeds, each with a model of its own.",
        "{table}": table(found),
        "{grpo}": by_grpo(out, seeds),
        "{first}": str(unread.STEPS),
        "{reading}": by_reading(ways, found, out, seeds),
    }
    for slot, value in told.items():
        text = text.replace(slot, value)
    (results / "learning_sdpo.md").write_text(text)


def draw(ways: Sequence[Way], out: Path, seeds: int, path: Path) -> None:
    """Score of training replies by step, of every run: the mean of the seeds, with a band of 1.96 standard errors over
    replies."""
    lines = {}
    for way in ways:
        for style in way.measured:
            by_step: defaultdict[int, list[float]] = defaultdict(list)
            for seed in range(seeds):
                for step, value in scores(run(way, out, seed), style):
                    by_step[step].append(value)
            lines[way.name, style] = by_step
    bands(lines, path)


if __name__ == "__main__":
    cyclopts.run(main)
