"""`usergym train sft`: supervised fine-tuning on recorded or exported conversations."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from rich.table import Table

from usergym.cli.errors import told_in_one_line
from usergym.cli.options import Json, above_zero, run_folder
from usergym.cli.running import console
from usergym.cli.tables import console as tables
from usergym.cli.tables import print_json, show_skipped
from usergym.cli.train_sft_people import is_of_a_person, of_a_person
from usergym.data.convert import read_conversations
from usergym.data.split import FirstRows
from usergym.rows import Skipped
from usergym.training.conversations import Conversation, told
from usergym.training.record import is_main, latest_in
from usergym.training.sft_config import SftConfig
from usergym.types import Speaker, Task

if TYPE_CHECKING:
    from usergym.training.sft import Prepared, Trained


@told_in_one_line
def sft(
    *data: Path,
    config: Annotated[SftConfig, Parameter(name="*", group="Training")],
    validation: Path | None = None,
    n_val: int = 0,
    speaker: Literal["assistant", "user"] = "assistant",
    skip_bad: Annotated[bool, Parameter(negative="")] = False,
    resume: Annotated[bool, Parameter(negative="--fresh")] = True,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
) -> None:
    """Fine-tune a model on conversations: it learns the words and tool calls of one speaker, and nothing else.

    What others said is read and never learned. Conversations stand as a rollout would show them to the model, also
    where its chat template knows no tools; those that were recorded with token ids are used id by id. With held-out
    conversations the best checkpoint by their loss is kept. The run's folder gets config.json, metrics.jsonl,
    curves.png, checkpoints/ and at the end model/ (with --lora also adapter/). The same command goes on from the last
    checkpoint. Several GPUs: torchrun --nproc-per-node 4 -m usergym train sft ..., or accelerate launch with FSDP or
    DeepSpeed.

    Examples:

        usergym export runs/oracle --format sft --train train.jsonl --validation validation.jsonl
        usergym train sft train.jsonl --validation validation.jsonl --model local/smollm2 --lora --out smol-sft
        usergym train sft train.jsonl --n-val 50 --model Qwen/Qwen3-0.6B --epochs 2 --dry-run

    Parameters
    ----------
    data
        Files of conversations (chat messages, ShareGPT, or any format that `usergym convert` reads; JSONL, JSON or
        parquet), or run folders whose conversations hold token ids.
    validation
        Likewise, held out.
    n_val
        Hold out so many of the conversations in the data, those of one task together, where --validation gives none.
    speaker
        Whose words are learned. Rows of `usergym export --speaker user` have the user as the assistant already; of rows
        of `usergym prepare users --sft` it is always HUMAN, behind what the environment people would show.
    skip_bad
        Leave out rows that cannot be read, count and list them; otherwise the first one ends the run.
    resume
        Go on where the run stopped, or start over.
    dry_run
        Print the settings, what would be learned from and the memory it would take, and stop before any compute.
    json
        Print one JSON object instead of tables.
    """
    if not data:
        raise ValueError(
            "no data given; give files or run folders: usergym train sft train.jsonl --model local/smollm2"
        )
    if validation and n_val:
        raise ValueError(f"--validation {validation} and --n-val {n_val} both hold out; give one of them")
    config = replace(config, out=run_folder(str(config.out), "sft"))
    early_checks(config)
    skipped = Skipped()
    reader = Reader(speaker, skip_bad, skipped)
    found = list(reader.all(data))
    train, held_out = split(found, n_val) if n_val else ([each for _, each in found], [])
    if validation:
        held_out = [each for _, each in reader.all([validation])]
    if is_main():
        show_skipped(skipped, json)
    run(config, train, held_out, resume=resume, dry_run=dry_run, json=json)


def early_checks(config: SftConfig) -> None:
    """What is wrong with the settings, before anything is read or any library is imported."""
    from usergym.training import checkpoints, trackers

    above_zero(epochs=config.epochs, learning_rate=config.learning_rate, max_grad_norm=config.max_grad_norm)
    trackers.check(config.track)
    checkpoints.check(config.model, config.chat_template)


@dataclass
class Reader:
    """Reads conversations of files and run folders."""

    speaker: Speaker
    skip_bad: bool
    skipped: Skipped

    def all(self, sources: Iterable[Path]) -> Iterable[tuple[Task, Conversation]]:
        for source in sources:
            if not source.exists() and (Path("runs") / source).is_dir():
                source = Path("runs") / source
            file = source / "trajectories.jsonl" if source.is_dir() else source
            if not file.exists() and source.is_dir() and (prepared := source / "train.parquet").exists():
                file = prepared
            if not file.exists():
                raise ValueError(f"{file} does not exist; give a file of conversations, or the folder of a run")
            for trajectory in read_conversations(file, skip_bad=self.skip_bad, skipped=self.skipped):
                if trajectory.error is None:
                    person = is_of_a_person(trajectory)
                    yield trajectory.task, of_a_person(trajectory) if person else told(trajectory, self.speaker)


def split(found: Sequence[tuple[Task, Conversation]], n_val: int) -> tuple[list[Conversation], list[Conversation]]:
    """What is trained on, and the first `n_val` in hash order, the conversations of one task together."""
    first = FirstRows(n_val)
    for task, _ in found:
        first.add(task)
    first.check()
    train = [each for task, each in found if first.split(task) == "train"]
    return train, [each for task, each in found if first.split(task) == "validation"]


def run(
    config: SftConfig,
    train: Iterable[Conversation],
    held_out: Iterable[Conversation],
    *,
    resume: bool,
    dry_run: bool,
    json: bool,
) -> None:
    """Trains, and tells what came of it."""
    from usergym.training.sft import fit, prepare

    prepared = prepare(config, train, held_out)
    if is_main() and (dry_run or not json):
        show_prepared(config, prepared, json)
    if dry_run:
        return
    try:
        trained = fit(config, prepared, resume=resume, say=_say)
    except KeyboardInterrupt:
        _say(f"\ninterrupted. {where_it_goes_on(config.out)}")
        sys.exit(130)
    if is_main() and (json or trained.loss is not None):
        show_trained(trained, json)


def where_it_goes_on(folder: Path) -> str:
    """What the same command does next, by what is on disk."""
    latest = latest_in(folder)
    if latest is None:
        return "There is no checkpoint yet: the same command starts over."
    return f"The same command goes on from {latest.name}, in {latest.parent}."


def _say(text: str) -> None:
    if is_main():
        console.print(text, markup=False, highlight=False, soft_wrap=True)


def show_prepared(config: SftConfig, prepared: "Prepared", json: bool) -> None:
    """The settings in full, the rows, and the estimate of memory."""
    from usergym.training.memory import available, needed

    shape = prepared.checkpoint.shape
    memory = needed(shape, prepared.load(config)) if shape else None
    free = available()
    if json:
        parts = {"train": prepared.train, "validation": prepared.validation}
        rows = {
            name: {"rows": len(part.rows), "tokens": part.tokens, "longest": part.longest, "left_out": part.left_out}
            for name, part in parts.items()
        }
        settings = {**config.identity(), **config.settings()}
        print_json({"config": settings, "steps": prepared.steps, **rows, "memory": memory, "free": free})
        return
    table = Table("", "conversations", "tokens", "to learn", "longest", "left out", title=f"{config.model}: SFT")
    for name, part in (("train", prepared.train), ("validation", prepared.validation)):
        everything, own = part.tokens
        left = ", ".join(f"{count:,} {reason}" for reason, count in part.left_out.items()) or "-"
        cut = f"; {part.cut:,} cut" if part.cut else ""
        table.add_row(name, f"{len(part.rows):,}", f"{everything:,}", f"{own:,}", f"{part.longest:,}", left + cut)
    tables.print(table)
    size = f"{shape.parameters / 1e6:,.1f} M parameters; " if shape else ""
    what = f"LoRA of rank {config.lora_r}" if config.lora else "all weights"
    steps = f"{prepared.steps:,} step{'s' * (prepared.steps != 1)}"
    tables.print(f"{size}{what}, {steps} of {config.batch}, learning rate {config.rate:g}, {config.out}")
    if memory:
        there = f" of {free / 2**30:,.1f} GiB that are free" if free is not None else ""
        tables.print(
            f"memory: about {memory / 2**30:,.1f} GiB{there} (a rough estimate, for each process)", soft_wrap=True
        )


def show_trained(trained: "Trained", json: bool) -> None:
    if json:
        print_json(trained)
        return
    figures = (("loss", trained.loss), ("validation loss", trained.validation_loss))
    told = "".join(f", {name} {value:.4g}" for name, value in figures if value is not None)
    tables.print(
        f"trained {trained.steps:,} step{'s' * (trained.steps != 1)}{told}; the model is in {trained.model}",
        soft_wrap=True,
    )
