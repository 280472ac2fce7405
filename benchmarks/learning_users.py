"""Does a simulated user learn to think as a person? A tiny model is taught what half of the people of the synthetic
population (users/population) think and write; then `usergym train users` trains it on the others, and it is measured
on people that it never saw. Every stage is skipped where its output is complete, so the same command goes on where it
stopped.

    python benchmarks/learning_users.py --out runs/learning_users --results docs/results
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

import cyclopts
from learning import bands, call, interval, pooled, told

from usergym.environments.people.gym import People
from usergym.environments.people.rows import asked_of
from usergym.evaluation.statistics import mean_interval, paired_difference
from usergym.rollouts.store import outcomes, read_trajectories
from usergym.types import Task, stable_hash
from usergym.users.states import load, written
from usergym.users.states.prompting import system_prompt
from usergym.users.states.speaking import Speech

SIZE = {"vocabulary": 2000, "hidden": 128, "layers": 3, "heads": 4, "context": 1024}
TOLD = ("values", "communication")
"""Of a persona. What is left out decides no state."""
PEOPLE, POSTS = 400, 12
TEACHING_STEPS = 400
WHOLE, SHARED = 0.3, 0.6
"""Of what is taught, the share that has all levels in one reply, and up to where states before it are told."""
STEPS, PROMPTS, GROUP = 120, 16, 4
RATE, SFT_RATE = 1e-4, 3e-4
CONTEXTS = 160
"""Held out, for each measure."""
STATES = ("stance", "emotion", "belief", "value", "goal", "communication")
HIERARCHY = load("sebvgcr")


@dataclass(frozen=True)
class Way:
    name: str
    mode: str = ""
    """Of `train users`; "": `train sft` on what people thought and said."""
    flags: tuple[object, ...] = ()


WAYS = (
    Way("multi-task GRPO on states and response", "separate_system_prompt"),
    Way("prefix-conditioned GRPO on states and response", "separate_generation"),
    Way("GRPO on the response alone", "separate_system_prompt", ("--levels", "response")),
    Way("SFT on states and response"),
)
ALONE = tuple(
    Way(f"GRPO on {level} alone", "separate_system_prompt", ("--levels", level))
    for level in ("communication", "stance")
)
"""All of as many steps for one level: what it takes for a level to move."""
FIRST = WAYS[0]
"""Whose sampled tokens are the budget of all."""

MEASURES = {
    "states": f"levels={'+'.join(STATES)}",
    "response": "levels=response",
    "response through states": "speaks=1",
    "states, persona shuffled": f"levels={'+'.join(STATES)},persona=shuffled",
    "response, persona shuffled": "levels=response,persona=shuffled",
}
THROUGH = ("states, each in sight of those before", "response through states")
"""Of the same conversations."""


def main(
    *,
    out: Path = Path("runs/learning_users"),
    results: Path | None = None,
    seeds: int = 3,
    only: int | None = None,
    steps: int = STEPS,
    teaching_steps: int = TEACHING_STEPS,
    contexts: int = CONTEXTS,
) -> None:
    """Teaches, trains and measures.

    Parameters
    ----------
    out
        Where runs are kept.
    results
        Folder for learning_users.md and .json; nothing is written unless given.
    seeds
        How many, from 0.
    only
        This seed alone, and no results: for several at once.
    steps
        Of GRPO; what is compared has as many tokens.
    teaching_steps
        Of 64 conversations.
    contexts
        Held out, for each measure.
    """
    model = taught(out, teaching_steps)
    for seed in range(seeds) if only is None else (only,):
        folder = out / f"seed{seed}"
        measure(model, folder / "taught", contexts, out, seed)
        for way in WAYS:
            train(way, model, folder, seed, steps)
            measure(place(folder, way) / "model", place(folder, way), contexts, out, seed)
        for way in ALONE:
            train(way, model, folder, seed, steps)
            measure(place(folder, way) / "model", place(folder, way), contexts, out, seed, ("states",))
    if only is not None:
        return
    page(model, out, results, seeds, {"steps": steps, "teaching": teaching_steps, "contexts": contexts})


def page(model: Path, out: Path, results: Path | None, seeds: int, asked: Mapping[str, int]) -> None:
    """Tables of what was measured, printed and, where asked, written with the curves."""
    found = {name: measured(name, out, seeds) for name in ("taught", *(way.name for way in WAYS))}
    spent = {way.name: sum(budget(place(out / f"seed{seed}", way)) for seed in range(seeds)) // seeds for way in WAYS}
    levels = {name: by_level(name, out, seeds) for name in (*found, *(way.name for way in ALONE))}
    text = f"{tables(found, spent)}\n\n{level_table(levels)}"
    print(text)
    if results:
        (results / "learning_users.json").write_text(
            json.dumps({"measured": found, "levels": levels, "tokens": spent}, indent=1) + "\n"
        )
        written_page = (Path(__file__).parent / "learning_users.md.in").read_text()
        from usergym.training.checkpoints import check

        draw(out, seeds, results / "learning_users.png")
        shape = check(str(model)).shape
        slots = {
            "{tables}": text,
            "{found}": told_in_words(found),
            "{seeds}": str(seeds),
            **{f"{{{name}}}": str(number) for name, number in asked.items()},
            "{people}": str(PEOPLE),
            "{posts}": str(POSTS),
            "{parameters}": f"{shape.parameters / 1e6:.1f} million parameters" if shape else "",
        }
        for slot, value in slots.items():
            written_page = written_page.replace(slot, value)
        (results / "learning_users.md").write_text(written_page)


def draw(out: Path, seeds: int, path: Path) -> None:
    """What answers in training were worth, by step and kind."""
    lines: dict[tuple[str, str], defaultdict[int, list[float]]] = {}
    for way in (way for way in (*WAYS, *ALONE) if way.mode):
        for seed in range(seeds):
            for each in read_trajectories(place(out / f"seed{seed}", way)):
                reward, level = each.reward(), each.task.data["level"]
                if reward is not None:
                    kind = level if level == "response" or way in ALONE else "states"
                    step = each.sample // (PROMPTS * GROUP) + 1
                    lines.setdefault((way.name, kind), defaultdict(list))[step].append(reward)
    bands(lines, path)


def place(folder: Path, way: Way) -> Path:
    return folder / "".join(each if each.isalnum() else "-" for each in way.name)


def people_of(out: Path) -> Path:
    """Rows of the population: the opening text of each thread alone, and of each persona what decides states."""
    path, whole = out / "people.jsonl", out / "whole.jsonl"
    if not path.exists():
        call("population", "--people", PEOPLE, "--posts", POSTS, "--turns", 1, "--out", whole)
        rows = [json.loads(line) for line in whole.read_text().splitlines()]
        for row in rows:
            persona = row["metadata"]["persona"]
            row["metadata"]["persona"] = {field: persona[field] for field in TOLD}
        write(path, rows)
    return path


def others(out: Path) -> Path:
    """Those rows that are not of people who were taught."""
    path = out / "others.jsonl"
    if not path.exists():
        known = {asked_of(task).user for task in taught_of(People(data=str(people_of(out))))}
        rows = map(json.loads, people_of(out).read_text().splitlines())
        write(path, [row for row in rows if row["user_id"] not in known])
    return path


def write(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def taught_of(people: People) -> Iterator[Task]:
    return (task for task in people.tasks("train") if not stable_hash(task.group) % 2)


def lessons(people: People) -> Iterator[dict[str, Any]]:
    """What people thought and said, behind each of the prompts that will ask for it."""
    random = Random(0)
    for task in taught_of(people):
        asked, kind = asked_of(task), random.random()
        if kind < WHOLE:
            yield conversation(task, system_prompt(HIERARCHY, None, asked.persona), HIERARCHY.names)
        else:
            yield lesson(task, told=kind < SHARED)


def lesson(task: Task, told: bool) -> dict[str, Any]:
    """One level. `told`: the prompt tells the states before it."""
    asked = asked_of(task)
    prefix = {level.name: asked.truth[level.name] for level in HIERARCHY.before(asked.level)} if told else {}
    system = system_prompt(HIERARCHY, asked.level, asked.persona, prefix=prefix, shared=told)
    return conversation(task, system, (asked.level,))


def conversation(task: Task, system: str, levels: Sequence[str]) -> dict[str, Any]:
    truth = asked_of(task).truth
    said = written({level: truth[level] for level in levels})
    turns = (("system", system), ("user", task.opening[0].said), ("assistant", said))
    return {"messages": [{"role": role, "content": words} for role, words in turns]}


def taught(out: Path, steps: int) -> Path:
    """A model that speaks the population's language, and knows a little of how people are."""
    from usergym.training import tiny

    data, untrained = out / "taught.jsonl", out / "untrained"
    out.mkdir(parents=True, exist_ok=True)
    if not data.exists():
        write(data, lessons(People(data=str(people_of(out)))))
    if not (untrained / "config.json").exists():
        lines = data.read_text().splitlines()[:3000]
        texts = [message["content"] for line in lines for message in json.loads(line)["messages"]]
        ways = ((level, shared) for level in HIERARCHY.names for shared in (False, True))
        frames = [system_prompt(HIERARCHY, level, "", shared=shared) for level, shared in ways]
        tiny.make(untrained, texts, fixed=[*frames, system_prompt(HIERARCHY, None, "")], **SIZE)
    call(
        *("train", "sft", data, "--model", untrained, "--out", out / "taught", "--steps", steps, "--batch", 64),
        *("--micro-batch", 16, "--learning-rate", 3e-3, "--seed", 0, "--save-every", 100, "--keep", 5),
    )
    return out / "taught" / "model"


def train(way: Way, model: Path, folder: Path, seed: int, steps: int) -> None:
    run = place(folder, way)
    if way.mode:
        if way != FIRST and way not in ALONE:
            steps = scaled(place(folder, FIRST), steps, way)
        call(
            *("train", "users", others(folder.parent), "--mode", way.mode, "--model", model, "--out", run),
            *("--steps", steps, "--prompts", PROMPTS, "--group", GROUP),
            *("--micro-batch", 16, "--learning-rate", RATE, "--warmup", 2, "--validation", 0, "--eval-every", 0),
            *("--save-every", 10, "--keep", 1, "--seed", seed, *way.flags),
        )
        return
    data = folder / "sft.jsonl"
    if not data.exists():
        write(data, within(place(folder, FIRST), others(folder.parent), seed))
    call(
        *("train", "sft", data, "--model", model, "--out", run, "--epochs", 1, "--batch", 64, "--micro-batch", 16),
        *("--learning-rate", SFT_RATE, "--seed", seed),
    )


def budget(run: Path) -> int:
    """Tokens that were sampled, or learned from."""
    if not (run / "trajectories.jsonl").exists():
        return sum(len(json.loads(line)["messages"][-1]["content"]) for line in (run.parent / "sft.jsonl").open()) // 4
    return sum(each.usage("assistant").output_tokens for each in read_trajectories(run))


def scaled(first: Path, steps: int, way: Way) -> int:
    """Steps that sample about as many tokens as the first way did."""
    by_level: dict[str, list[int]] = {}
    for each in read_trajectories(first):
        by_level.setdefault(each.task.data["level"], []).append(each.usage("assistant").output_tokens)
    if "response" not in way.flags:
        return steps
    means = {level: sum(tokens) / len(tokens) for level, tokens in by_level.items()}
    return max(1, round(steps * sum(means.values()) / len(means) / means["response"]))


def within(first: Path, data: Path, seed: int) -> Iterator[dict[str, Any]]:
    """As many conversations as have so many characters as the first way sampled tokens have on average."""
    left = sum(len(turn.message.content) for each in read_trajectories(first) for turn in each.turns[1:])
    for task in People(data=str(data)).tasks("train", seed):
        row = lesson(task, told=False)
        left -= len(row["messages"][-1]["content"])
        if left < 0:
            return
        yield row


def measure(model: Path, folder: Path, contexts: int, out: Path, seed: int, names: Iterable[str] = MEASURES) -> None:
    if not (model / "states.json").exists():
        Speech(HIERARCHY).save(model)
    for name in names:
        spec = f"people:data={people_of(out)},{MEASURES[name]}"
        asked = str(model) if "through" in name else f"checkpoint/{model}"
        limit = contexts * (len(STATES) if name.startswith("states") else 1)
        call(
            *("rollout", "--env", spec, "--model", asked, "--split", "test", "--limit", limit, "--temperature", 1),
            *("--seed", seed, "--out", test(folder, name)),
            failures=True,
        )


def test(folder: Path, name: str) -> Path:
    return folder / f"test-{name.replace(',', '').replace(' ', '-')}"


def measured(name: str, out: Path, seeds: int) -> dict[str, Any]:
    """Mean alignment of each measure, and what it gained over the taught model; by person, all seeds together."""
    row: dict[str, Any] = {}
    for measure_of, (run, levels) in {
        **{each: (each, ()) for each in MEASURES},
        THROUGH[0]: (THROUGH[1], STATES),
    }.items():
        runs = [test(out / f"seed{seed}" / _named(name), run) for seed in range(seeds)]
        each = [by_person(found, levels) for found in runs]
        before = [by_person(test(out / f"seed{seed}" / "taught", run), levels) for seed in range(seeds)]
        row[measure_of] = {
            **told(mean_interval(each_once(pooled(each)))),
            "gain": told(paired_difference(pooled(before), pooled(each))),
            "seeds": [told(mean_interval(each_once(one)))["mean"] for one in each],
            "left_out": sum(left_out(found) for found in runs),
        }
    return row


def by_level(name: str, out: Path, seeds: int) -> dict[str, Any]:
    """Of each state: its mean alignment and what that gained over the taught model."""

    def found(folder: str, level: str) -> dict[str, list[float]]:
        runs = (test(out / f"seed{seed}" / folder, "states") for seed in range(seeds))
        return pooled([by_person(run, (level,)) for run in runs])

    return {
        level: {
            **told(mean_interval(each_once(found(_named(name), level)))),
            "gain": told(paired_difference(found("taught", level), found(_named(name), level))),
        }
        for level in STATES
    }


def _named(name: str) -> str:
    return name if name == "taught" else place(Path(), next(way for way in (*WAYS, *ALONE) if way.name == name)).name


def by_person(run: Path, levels: Sequence[str] = ()) -> dict[str, list[float]]:
    """Rewards, or the alignment of some levels; intervals are clustered by whom they are about."""
    found: dict[str, list[float]] = {}
    for trajectory in read_trajectories(run):
        if not levels:
            values = [trajectory.reward()]
        else:
            values = [each.value for each in trajectory.rewards if each.name in levels]
        found.setdefault(trajectory.task.group, []).extend(each for each in values if each is not None)
    return {person: values for person, values in found.items() if values}


def each_once(found: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """So that every person counts alike, as in the paired differences."""
    return {person: [fmean(values)] for person, values in found.items()}


def left_out(run: Path) -> int:
    """Conversations without a reward; one that failed again when a run went on is one."""
    return sum(each.reward() is None for each in outcomes(run))


def tables(found: Mapping[str, Mapping[str, Any]], spent: Mapping[str, int]) -> str:
    lines = [
        "| trained by | tokens | measure | alignment | 95 % interval | less taught | 95 % interval | by seed | lost |"
    ]
    lines.append("|---|---|---|---|---|---|---|---|---|")
    for name, row in found.items():
        for measure_of, one in row.items():
            by_seed = ", ".join(f"{each:.3f}" for each in one["seeds"])
            gain = one["gain"]
            lines.append(
                f"| {name} | {spent.get(name, 0):,} | {measure_of} | {one['mean']:.3f} | {interval(one)} "
                f"| {gain['mean']:+.3f} | {interval(gain)} | {by_seed} | {one['left_out']} |"
            )
    return "\n".join(lines)


def level_table(levels: Mapping[str, Mapping[str, Any]]) -> str:
    lines = [f"| states, trained by | {' | '.join(STATES)} |", "|---" * (len(STATES) + 1) + "|"]
    for name, row in levels.items():
        cells = (f"{one['mean']:.3f} ({one['gain']['mean']:+.3f}{_sure(one['gain'])})" for one in row.values())
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(
        [*lines, "", "In brackets what was gained over the taught model; * where its interval is clear of 0."]
    )


def told_in_words(found: Mapping[str, Mapping[str, Any]]) -> str:
    """One line for each way and measure: whether it gained, and what a stranger's persona costs."""
    lines = []
    for name, row in found.items():
        if name != "taught":
            sure = [
                f"{measure_of} ({one['gain']['mean']:+.3f})" for measure_of, one in row.items() if _sure(one["gain"])
            ]
            lines.append(f"- {name}: the interval of the gain is clear of 0 for {', '.join(sure) or 'nothing'}.")
    for level in ("states", "response"):
        falls = ", ".join(
            f"{name} {row[f'{level}, persona shuffled']['mean'] - row[level]['mean']:+.3f}"
            for name, row in found.items()
        )
        lines.append(f"- What somebody else's persona does to the {level}: {falls}.")
    return "\n".join(lines)


def _sure(gain: Mapping[str, Any]) -> str:
    return "*" if gain["low"] is not None and (gain["low"] > 0 or gain["high"] < 0) else ""


if __name__ == "__main__":
    cyclopts.run(main)
