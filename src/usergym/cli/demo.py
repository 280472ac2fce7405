"""`usergym demo`: the main job, end to end, on what the machine has."""

import time
from pathlib import Path

from usergym.cli.errors import told_in_one_line
from usergym.cli.export import export
from usergym.cli.generate import generate
from usergym.cli.options import ModelOptions, RunOptions
from usergym.cli.report import report
from usergym.cli.rollout import rollout
from usergym.cli.tables import console, summary_table
from usergym.evaluation.metrics import summarise
from usergym.rollouts.store import outcomes


@told_in_one_line
def demo(
    *, out: Path = Path("runs/demo"), conversations: int = 100, model: str = "local/smollm2", of_model: int = 20
) -> None:
    """Run the main job on this machine: no key, no server, no GPU.

    Generates conversations with rule-based users, plays them with a perfect agent, an idle one, and (some of them)
    with a small language model in this process; grades every turn, writes training files and one page to look at.

    Parameters
    ----------
    out
        Folder for everything it makes. What is there is made anew.
    conversations
        How many to generate.
    model
        The real agent.
    of_model
        How many conversations the real agent plays.
    """
    started = time.monotonic()
    rows = out / "conversations.jsonl"
    _say("1. Generate conversations: a persona, an agenda, fixed replies")
    generate("calendar", n_samples=conversations, n_events=5, output=rows, resume=False)
    agents = {
        "oracle": ("oracle", None, "the environment's perfect play"),
        "idle": ("idle", None, "says a courtesy; must never earn"),
        model.rsplit("/", 1)[-1]: (model, of_model, "a real language model with short replies"),
    }
    seconds = {}
    for name, (agent, limit, what) in agents.items():
        began = time.monotonic()
        _say(f"2. Roll out {name}: {what}")
        rollout(
            env="calendar",
            model=agent,
            tasks=rows,
            run=RunOptions(out=str(out / name), limit=limit, concurrency=16, resume=False),
            models=ModelOptions(max_tokens=96, temperature=0.7, context=2048),
        )
        seconds[name] = time.monotonic() - began
    _say("3. Write training files from the perfect play")
    export(
        out / "oracle", train=out / "train.jsonl", validation=out / "validation.jsonl", n_val=max(1, conversations // 5)
    )
    _say("4. Make a page of it")
    report(*(out / name for name in agents), output=out / "report.html", title="usergym demo")
    summaries = {name: summarise(outcomes(out / name)) for name in agents}
    console.print()
    console.print(summary_table(summaries, f"usergym demo, {time.monotonic() - started:.0f} s", seconds))
    console.print("`. .venv/bin/activate` puts `usergym` on the PATH; README.md goes on from here")
    console.print(f"look at {out / 'report.html'}; train on {out / 'train.jsonl'} and {out / 'validation.jsonl'}")


def _say(words: str) -> None:
    console.print(f"\n[bold]{words}[/]")
