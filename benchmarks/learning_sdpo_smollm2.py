"""The headline run of SDPO: SmolLM2-135M with LoRA is taught, on its own replies, what a reaction asks for; then it
learns, from reactions alone, what a user who does not want to hear "I" likes, and is measured on requests that it never
saw. Every stage is skipped where its output is complete, so the same command goes on where it stopped.

    python benchmarks/learning_sdpo_smollm2.py --out runs/sdpo_smollm2
"""

import json
from pathlib import Path
from random import Random

import cyclopts
from learning import call, gains, read, report

from usergym.rollouts.store import read_trajectories
from usergym.training.hindsight import template_of
from usergym.training.sdpo_rows import UNRELATED
from usergym.training.signal_figures import auc

MODEL, STYLE = "local/smollm2", "no_first_person"
MAX_TOKENS, SEED, REPEATS, TEMPERATURE = 64, 7, 4, 0.7
OCCASIONS = (
    *("birthday", "wedding", "new job", "retirement", "graduation", "new house", "first marathon", "promotion"),
    *("exam", "new puppy", "holiday", "recovery", "garden", "new bicycle", "concert", "exhibition"),
)
PEOPLE = (
    *("a colleague", "my sister", "an old friend", "a neighbour", "my teacher", "my uncle", "a teammate", "my boss"),
    *("my cousin", "a classmate", "my landlady", "my doctor", "my coach", "a former student", "my aunt", "my brother"),
)
CALLED = {
    "before": "untrained",
    "shown": "untrained, the taste in its prompt",
    "taught": "taught to read reactions",
    "sdpo": "after SDPO",
}
LORA = ("--lora", "--seed", SEED)
HEAD = """# Does SmolLM2-135M learn from reactions?

Written by `python benchmarks/learning_sdpo_smollm2.py`, on a CPU. SmolLM2-135M-Instruct, LoRA of rank 16; a user who
does not want to hear *I* (style `{style}`) asks for one sentence to somebody on some occasion, and reacts by exact
rules. First the model is taught to read reactions: it replies {draws} times to every training request, and learns
those replies in {sft_steps} steps of `usergym train sft`: each behind its request, behind an unrelated remark, and
behind the reaction to another reply that asks for it. Then {steps} steps of `usergym train sdpo` with {prompts}
conversations each, the settings its defaults but the learning rate ({rate:g}) and the temperature ({temperature:g}); no
reward is used. At each stage it replies to {tasks} requests that no training task had, {repeats} times each at that
temperature; the score is that of the exact rules, and 0 for a reply that has nothing to do with its request. One seed.
Intervals are by requests.
"""


def requests() -> list[str]:
    made = [f"Write one short sentence to {who} about their {what}." for what in OCCASIONS for who in PEOPLE]
    Random(SEED).shuffle(made)
    return made


def read_in_hindsight(own: Path, path: Path) -> Path:
    """Replies of the model's own behind what asks for them: nothing, a remark that asks for nothing, a reaction to
    another reply to the same request, and praise."""
    random, template = Random(SEED), template_of("neutral")
    by_request: dict[str, list[tuple[str, str, bool]]] = {}
    for trajectory in read_trajectories(own):
        said = [turn.said for turn in trajectory.turns]
        scores = {reward.name: reward.value for reward in trajectory.rewards}
        if len(said) == 3 and scores.get("on_topic"):
            by_request.setdefault(said[0], []).append((said[1], said[2], scores["style"] == 1))
    rows = []
    for request, replies in by_request.items():
        liked = [reply for reply, _, kept in replies if kept]
        for reply, reaction, kept in replies:
            rows.append((request, reply))
            rows.append((request + template.written(random.choice(UNRELATED)), reply))
            if liked:
                rows += [(request + template.written(reaction), reply if kept else random.choice(liked))] * 2
    random.shuffle(rows)
    turns = ([{"role": "user", "content": asked}, {"role": "assistant", "content": said}] for asked, said in rows)
    path.write_text("".join(json.dumps({"messages": each}, ensure_ascii=False) + "\n" for each in turns))
    return path


def main(
    *,
    out: Path = Path("runs/sdpo_smollm2"),
    results: Path | None = None,
    sft_steps: int = 60,
    draws: int = 4,
    steps: int = 60,
    prompts: int = 16,
    rate: float = 3e-4,
    tasks: int = 60,
) -> None:
    """Trains and measures.

    Parameters
    ----------
    out
        Where runs are kept.
    results
        Folder for learning_sdpo_smollm2.md and .json; nothing is written unless given.
    sft_steps
        Of 8 conversations.
    draws
        Replies to each training request, from which reading is learned.
    steps
        Of SDPO.
    prompts
        Conversations of a step.
    rate
        Learning rate.
    tasks
        Held out.
    """
    out.mkdir(parents=True, exist_ok=True)
    asked = out / "prompts.jsonl"
    asked.write_text("".join(json.dumps({"prompt": each}) + "\n" for each in requests()))
    spec = f"style:style={STYLE},prompts={asked},held_out=0.25"
    models = {
        "before": f"checkpoint/{MODEL}",
        "shown": f"checkpoint/{MODEL}",
        "taught": f"checkpoint/{out}/taught/model",
    }
    call(
        *("rollout", "--env", spec, "--model", MODEL, "--threads", 1, "--split", "train", "--limit", 400),
        *("--repeats", draws, "--temperature", TEMPERATURE, "--max-tokens", MAX_TOKENS, "--out", out / "own"),
    )
    data = read_in_hindsight(out / "own", out / "hindsight.jsonl")
    call(
        *("train", "sft", data, "--model", MODEL, "--out", out / "taught", "--steps", sft_steps, "--batch", 8, *LORA),
        *("--micro-batch", 4, "--learning-rate", 3e-4),
    )
    call(
        *("train", "sdpo", "--envs", spec, "--model", out / "taught" / "model", "--out", out / "sdpo", *LORA),
        *("--steps", steps, "--prompts", prompts, "--micro-batch", 4, "--learning-rate", rate, "--warmup", 2),
        *("--max-tokens", MAX_TOKENS, "--temperature", TEMPERATURE, "--validation", 0, "--eval-every", 0),
        *("--save-every", 2, "--keep", 1),
    )
    models["sdpo"] = f"checkpoint/{out / 'sdpo' / 'model'}"
    for name, model in models.items():
        shown = ",show=1" if name == "shown" else ""
        call(
            *("rollout", "--env", f"{spec}{shown}", "--model", model, "--split", "test", "--limit", tasks),
            *("--repeats", REPEATS, "--temperature", TEMPERATURE, "--max-tokens", MAX_TOKENS, "--concurrency", 20),
            *("--out", out / f"{name}-test"),
        )
    rewards = {name: read(out / f"{name}-test") for name in models}
    head = HEAD.format(
        style=STYLE,
        draws=draws,
        sft_steps=sft_steps,
        steps=steps,
        prompts=prompts,
        rate=rate,
        temperature=TEMPERATURE,
        tasks=len(rewards["before"]),
        repeats=REPEATS,
    )
    head = f"{head}\n{told_of_reading(out / 'sdpo')}\n"
    unsure = f"The interval of what SDPO added contains 0: {steps * prompts} conversations were too few."
    page = results / "learning_sdpo_smollm2.md" if results else None
    report(gains(rewards, CALLED, "before taught", "taught sdpo"), head, page, unsure)


def told_of_reading(run: Path) -> str:
    """Whether the reactions told replies that keep to the taste from those that break it."""
    kept = {
        each.sample: next((reward.value == 1 for reward in each.rewards if reward.name == "style"), None)
        for each in read_trajectories(run)
    }
    signals = [json.loads(line) for line in (run / "signals.jsonl").read_text().splitlines()]
    found: dict[bool, list[float]] = {True: [], False: []}
    for row in signals:
        liked = kept.get(row["sample"])
        if liked is not None and row.get("control_effect") is not None:
            found[liked].append(row["effect"] - row["control_effect"])
    share = auc(found[True], found[False])
    return (
        f"Whether the model reads reactions, over the {len(signals):,} training replies: the signal (reaction less\n"
        "unrelated remark, mean over a reply's tokens) is larger for a reply that keeps to the taste than for one\n"
        f"that breaks it in {share:.0%} of pairs; 50% is chance."
    )


if __name__ == "__main__":
    cyclopts.run(main)
