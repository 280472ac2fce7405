"""Which credit learns fastest? Equalized, R2G and EM by trajectory scores Sum and R2G in UserRL's form, and ours, from
one taught model on the same tasks in the same order, for the same number of steps; and the same tasks without learning.

    python benchmarks/learning_grid.py --start runs/learning/intention/seed0/sft/model --out runs/grid

Resumable; the table is printed and written once every run is done.
"""

import json
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import cyclopts
import msgspec
from learning import SETTINGS

from usergym.evaluation.statistics import mean_interval, paired_difference
from usergym.types import Trajectory

CONTROL = "no learning"
HEAD = """# Credit compared

Written by `python benchmarks/learning_grid.py`: intention, the taught model of seed 0 of [learning.md](learning.md), a
single seed. The same tasks in the same order for all; gain is the difference by task to the model that does not learn,
with a 95 % interval by tasks. UserRL's forms have their gamma of 0.8 and are normalised.
"""
USERRL = {
    f"userrl {level}/{score}": ("--preset", "userrl", "--turn-level-method", level, "--trajectory-score-method", score)
    for level in ("Equalized", "R2G", "EM")
    for score in ("Sum", "R2G")
}
WAYS: dict[str, tuple[object, ...]] = {
    CONTROL: ("--learning-rate", 1e-12),
    "usergym R2G (default)": (),
    "usergym Equalized": ("--turn-level-method", "Equalized"),
    "turnwise, gamma 0": ("--preset", "turnwise", "--gamma", 0),
    **{name: (*flags, "--gamma", 0.8, "--normalize-by-std") for name, flags in USERRL.items()},
}


def main(
    *,
    start: Path,
    out: Path = Path("runs/grid"),
    results: Path | None = None,
    steps: int = 30,
    only_compare: bool = False,
) -> None:
    """Trains each way, and compares the rewards of the last third of the steps.

    Parameters
    ----------
    start
        The taught model that all begin with.
    out
        Where runs are kept.
    results
        Folder for learning_grid.md and learning_grid.json; nothing is written unless given.
    steps
        Of each way.
    only_compare
        Train nothing; compare the ways whose runs are done, and name the others.
    """
    setting = SETTINGS["intention"]
    for name, flags in () if only_compare else WAYS.items():
        rate = () if "--learning-rate" in flags else ("--learning-rate", setting.rate)
        command = (
            *("train", "grpo", "--envs", setting.spec, "--model", start, "--out", out / folder(name)),
            *("--steps", steps, "--prompts", setting.prompts, "--group", setting.group, "--micro-batch", 64),
            *("--max-tokens", setting.max_tokens, "--max-replies", setting.replies, "--warmup", 3),
            *("--validation", 0, "--eval-every", 0, "--save-every", 10, "--keep", 1, *rate, *flags),
        )
        began = time.monotonic()
        print("usergym", *command, flush=True)
        done = subprocess.run(
            [sys.executable, "-m", "usergym", *map(str, command), "--json"], stdout=subprocess.DEVNULL
        )
        if done.returncode:
            sys.exit(f"that ended with {done.returncode}; run the same command again to go on")
        print(f"  {time.monotonic() - began:.0f} s", flush=True)
    rows = compare(out, steps, setting.prompts * setting.group)
    text = table(rows, steps)
    if missing := [name for name in WAYS if not is_done(out / folder(name))]:
        text += f"\n\nNot run: {', '.join(missing)}."
    print(text)
    if results:
        (results / "learning_grid.json").write_text(json.dumps(rows, indent=1) + "\n")
        (results / "learning_grid.md").write_text(f"{HEAD}\n{text}\n")


def folder(name: str) -> str:
    return "".join(each if each.isalnum() else "-" for each in name)


def is_done(run: Path) -> bool:
    return (run / "model" / "config.json").exists()


def compare(out: Path, steps: int, batch: int) -> list[dict[str, object]]:
    """Rewards by task over the last third of the steps."""
    first = batch * (steps - steps // 3)
    rewards = {}
    for name in WAYS:
        if not is_done(out / folder(name)):
            continue
        by_task: defaultdict[str, list[float]] = defaultdict(list)
        for line in (out / folder(name) / "trajectories.jsonl").read_bytes().splitlines():
            trajectory = msgspec.json.decode(line, type=Trajectory)
            value = trajectory.reward()
            if trajectory.sample >= first and value is not None:
                by_task[trajectory.task.id].append(value)
        rewards[name] = by_task
    rows: list[dict[str, object]] = []
    for name, by_task in rewards.items():
        mean, gain = mean_interval(by_task), paired_difference(rewards[CONTROL], by_task)
        assert mean is not None
        assert gain is not None
        lines = [msgspec.json.decode(line) for line in (out / folder(name) / "metrics.jsonl").read_bytes().splitlines()]
        entropy = [line["entropy"] for line in lines if line.get("entropy") is not None]
        rows.append(
            {
                "credit": name,
                "reward": mean.mean,
                "gain": gain.mean,
                "low": gain.low,
                "high": gain.high,
                "entropy_before": entropy[0],
                "entropy_after": entropy[-1],
            }
        )
    return rows


def table(rows: list[dict[str, object]], steps: int) -> str:
    lines = [
        f"| credit | reward, last {steps // 3} of {steps} steps | gain | 95 % interval | entropy, first and last |",
        "|---|---|---|---|---|",
    ]
    for row in sorted(rows, key=lambda each: -float(str(each["gain"]))):
        span = "-" if row["low"] is None else f"{row['low']:+.3f} to {row['high']:+.3f}"
        lines.append(
            f"| {row['credit']} | {row['reward']:.3f} | {row['gain']:+.3f} | {span} | "
            f"{row['entropy_before']:.2f}, {row['entropy_after']:.2f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    cyclopts.run(main)
