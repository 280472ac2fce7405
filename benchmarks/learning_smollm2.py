"""The headline run: SmolLM2-135M with LoRA, taught by oracle play and then trained by GRPO, on kinds of request that
it never saw. Every stage is skipped where its output is complete, so the same command goes on where it stopped.

    python benchmarks/learning_smollm2.py --out runs/smollm2
"""

from pathlib import Path

import cyclopts
from learning import CALLED, STAGES, call, gains, read, report

MODEL = "local/smollm2"
SPEC = "intention:actions=native"
REPLIES, MAX_TOKENS, SEED = 5, 32, 7
HEAD = """# SmolLM2-135M with LoRA

Written by `python benchmarks/learning_smollm2.py`, on a CPU. SmolLM2-135M-Instruct, LoRA of rank 16, in the gym
intention: {taught} conversations of the oracle ({sft_steps} steps of `usergym train cold-start`), then {steps} steps of
`usergym train grpo` with {prompts} x {group} conversations each, then {tasks} tasks of the test split (kinds of request
that no training task has), each played once at temperature 1 with {replies} replies; one seed. Intervals are by tasks.
"""


def main(
    *,
    out: Path = Path("runs/smollm2"),
    results: Path | None = None,
    taught: int = 200,
    sft_steps: int = 45,
    steps: int = 8,
    prompts: int = 4,
    group: int = 4,
    tasks: int = 48,
) -> None:
    """Trains and measures.

    Parameters
    ----------
    out
        Where runs are kept.
    results
        Folder for learning_smollm2.md and learning_smollm2.json; nothing is written unless given.
    taught
        Conversations of the oracle.
    sft_steps
        Steps of 4 conversations.
    steps
        Of GRPO.
    prompts
        Tasks of a step.
    group
        Conversations of a task.
    tasks
        Held out.
    """
    evaluate("before", f"checkpoint/{MODEL}", out, tasks)
    call(
        *("train", "cold-start", "--envs", SPEC, "--model", MODEL, "--lora", "--out", out / "sft"),
        *("--tasks-per-env", taught, "--steps", sft_steps, "--learning-rate", 4e-4, "--batch", 4, "--micro-batch", 2),
        *("--max-replies", REPLIES, "--seed", SEED),
    )
    evaluate("sft", f"checkpoint/{out / 'sft' / 'model'}", out, tasks)
    call(
        *("train", "grpo", "--envs", SPEC, "--model", out / "sft" / "model", "--lora", "--out", out / "grpo"),
        *("--steps", steps, "--prompts", prompts, "--group", group, "--micro-batch", 2, "--learning-rate", 1e-4),
        *("--max-tokens", MAX_TOKENS, "--max-replies", REPLIES, "--warmup", 1, "--validation", 0, "--eval-every", 0),
        *("--save-every", 1, "--keep", 1, "--seed", SEED),
    )
    evaluate("grpo", f"checkpoint/{out / 'grpo' / 'model'}", out, tasks)
    rewards = {stage: read(out / f"{stage}-test") for stage in STAGES}
    head = HEAD.format(
        taught=taught, sft_steps=sft_steps, steps=steps, prompts=prompts, group=group, tasks=tasks, replies=REPLIES
    )
    unsure = f"The interval of what GRPO added contains 0: {steps * prompts * group} conversations were too few."
    page = results / "learning_smollm2.md" if results else None
    report(gains(rewards, CALLED, "before sft", "sft grpo"), head, page, unsure)


def evaluate(stage: str, model: str, out: Path, tasks: int) -> None:
    call(
        *("rollout", "--env", SPEC, "--model", model, "--split", "test", "--limit", tasks),
        *("--max-replies", REPLIES, "--temperature", 1, "--max-tokens", MAX_TOKENS, "--concurrency", 24),
        *("--out", out / f"{stage}-test"),
    )


if __name__ == "__main__":
    cyclopts.run(main)
