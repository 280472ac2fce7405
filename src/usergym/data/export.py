"""Training files from a run: which conversations, told by whom, in which format, split by a hash of their task."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import msgspec

from usergym.data import formats
from usergym.data.convert import by_task, read_conversations, refuse_itself
from usergym.data.formats import dpo, nemo_gym
from usergym.data.split import FirstRows, split_of_task
from usergym.environments import base
from usergym.rows import Skipped, Writer, kind_of
from usergym.types import Speaker, Task, Tool, Trajectory

Format = Literal["nemo_gym", "sft", "sharegpt", "dpo", "verl"]


@runtime_checkable
class SuppliesFields(Protocol):
    """An environment whose verifier needs fields of its own in an exported row."""

    def export_fields(self, task: Task, heard: int) -> Mapping[str, Any] | None:
        """What is expected after the user's `heard`-th message; None: nothing, and the row is left out."""
        ...


@dataclass(frozen=True)
class ExportOptions:
    format: Format = "nemo_gym"
    speaker: Speaker = "assistant"
    """Whose side is trained; a NeMo Gym row always trains the assistant."""
    n_val: int | None = None
    """So many rows for validation, the first in hash order, groups whole. None: the share `validation`."""
    validation: float = 0.1
    test: float = 0.0
    """Held out: in no file, and counted."""
    min_reward: float | None = None
    top_k: int | None = None
    """Only the best samples of each task; the earlier sample wins a tie."""
    exclude_success: bool = False
    """Only what failed: a reward below `success`."""
    success: float = 1.0
    keep_unscored: bool = False
    """Of data that nobody graded. Conversations that failed technically are always left out."""
    gap: float = 0.0
    """Of preference pairs: the smallest difference of rewards; 0 takes every difference."""
    whole: bool = False
    """Rows also carry what their format cannot hold."""


@dataclass
class Exported:
    """What `export` did; nothing is left out that is not counted."""

    conversations: int = 0
    train: int = 0
    """Rows."""
    validation: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    """Conversations (of preference pairs: tasks) by the reason why they gave no row."""
    skipped: Skipped = field(default_factory=Skipped)

    def leave_out(self, reason: str, count: int = 1) -> None:
        if count:
            self.left_out[reason] = self.left_out.get(reason, 0) + count


def export(
    source: str | Path,
    train: str | Path,
    validation: str | Path | None = None,
    options: ExportOptions = ExportOptions(),
    *,
    frm: str | None = None,
    skip_bad: bool = False,
) -> Exported:
    """Writes rows of a run folder, or of a file of conversations, to `train` and `validation`.

    Without `validation` every row that no loader pinned elsewhere is for training. The files appear whole at
    the end. ValueError for a bad row (file, place, field), or when `n_val` leaves nothing to train on.
    """
    train, validation = Path(train), Path(validation) if validation else None
    refuse_itself(source, train, validation)
    with ExitStack() as stack:
        files = {"train": stack.enter_context(Writer(train, whole=True))}
        if validation:
            files["validation"] = stack.enter_context(Writer(validation, whole=True))
        exporter = _Exporter(source, options, frm, skip_bad, train.parent, kind_of(train) == ".parquet")
        split = exporter.splitting(validation is not None)
        done = Exported()
        for task, rows in exporter.rows(done):
            name = split(task)
            if name in files:
                for row in rows:
                    files[name].write(row)
            else:
                done.leave_out(f"split {name}")
        if not any(file.rows for file in files.values()):
            raise ValueError(_nothing(options, done))
        done.train = files["train"].rows
        done.validation = files["validation"].rows if validation else 0
    return done


def _nothing(options: ExportOptions, done: Exported) -> str:
    why = ", ".join(f"{count:,} {reason}" for reason, count in done.left_out.items())
    text = f"nothing to write of {done.conversations:,} conversations ({why or 'there are none'}); no file was touched"
    if options.format == "dpo":
        return f"{text}. A pair needs samples of one task with different rewards: play with --repeats 4 or so"
    if options.exclude_success:
        return f"{text}. Every conversation earned its reward: leave out --exclude-success"
    return text


@dataclass
class _Exporter:
    source: str | Path
    options: ExportOptions
    frm: str | None
    skip_bad: bool
    folder: Path
    parquet: bool

    def __post_init__(self) -> None:
        self.schemas: dict[tuple[str, ...], tuple[Tool, ...]] = {}
        self.environments: dict[str, base.Environment | None] = {}

    def splitting(self, validates: bool) -> Callable[[Task], str]:
        options = self.options
        if not validates:
            return lambda task: task.split or "train"
        if options.n_val is None:
            return lambda task: split_of_task(task, options.validation, options.test)
        first = FirstRows(options.n_val)
        for task, rows in self.rows(Exported()):
            first.add(task, len(rows))
        first.check()
        return first.split

    def rows(self, done: Exported) -> Iterator[tuple[Task, list[dict[str, Any]]]]:
        """Each task with its rows."""
        found = read_conversations(self.source, self.frm, skip_bad=self.skip_bad, skipped=done.skipped)
        options = self.options
        kept = self.eligible(found, done)
        if options.format == "dpo":
            for group in by_task(kept, self.folder):
                rows = [
                    self.pair(*pair) for pair in dpo.pairs(group, options.speaker, self.tools(group[0]), options.gap)
                ]
                if rows:
                    yield group[0].task, rows
                else:
                    done.leave_out("tasks without a pair")
            return
        if options.top_k is not None:
            kept = (best for group in by_task(kept, self.folder) for best in self.best(group, done))
        for trajectory in kept:
            told = self.told(trajectory)
            if isinstance(told, str):
                done.leave_out(told)
            else:
                yield trajectory.task, told

    def eligible(self, trajectories: Iterable[Trajectory], done: Exported) -> Iterator[Trajectory]:
        options = self.options
        for trajectory in trajectories:
            done.conversations += 1
            reward = trajectory.reward()
            if trajectory.error:
                done.leave_out("error")
            elif reward is None and not options.keep_unscored:
                done.leave_out("unscored")
            elif options.min_reward is not None and (reward is None or reward < options.min_reward):
                done.leave_out("below the least reward")
            elif options.exclude_success and reward is not None and reward >= options.success:
                done.leave_out("success")
            else:
                yield trajectory

    def best(self, group: Sequence[Trajectory], done: Exported) -> Sequence[Trajectory]:
        ranked = sorted(group, key=lambda one: (-(one.reward() or 0.0), one.reward() is None, one.sample))
        done.leave_out("not among the best of its task", max(len(ranked) - (self.options.top_k or 0), 0))
        return ranked[: self.options.top_k]

    def told(self, trajectory: Trajectory) -> list[dict[str, Any]] | str:
        """The conversation's rows, or why it has none."""
        options = self.options
        if options.format == "nemo_gym":
            row = nemo_gym.training_row(
                trajectory, self.fields(trajectory.task.env), self.tools(trajectory, "assistant")
            )
            if isinstance(row, str):
                return row
            flat = formats.flat(row, nemo_gym.NESTED) if self.parquet else row
            return [formats.carry(flat, [trajectory]) if options.whole else flat]
        tools = self.tools(trajectory)
        if options.format != "verl":
            trained = _up_to_own_words(trajectory, options.speaker)
            if trained is None:
                return f"nothing said by the {options.speaker}"
            trajectory = trajectory if options.whole else trained
        rows = formats.write_rows(
            trajectory, options.format, options.speaker, tools, whole=options.whole, parquet=self.parquet
        )
        return rows or "no place in the format"

    def pair(self, row: dict[str, Any], better: Trajectory, worse: Trajectory) -> dict[str, Any]:
        flat = formats.flat(row, dpo.NESTED) if self.parquet else row
        return formats.carry(flat, [better, worse]) if self.options.whole else flat

    def environment(self, name: str) -> base.Environment | None:
        if name not in self.environments:
            try:
                self.environments[name] = base.load(name)
            except LookupError:
                self.environments[name] = None
        return self.environments[name]

    def fields(self, env: str) -> Callable[[Task, int], Mapping[str, Any] | None]:
        environment = self.environment(env)
        if isinstance(environment, SuppliesFields):
            return environment.export_fields
        return nemo_gym.expected_fields

    def tools(self, trajectory: Trajectory, speaker: Speaker | None = None) -> tuple[Tool, ...]:
        """The schemas behind the tools' names in the seat. LookupError when their environment is not there."""
        speaker = speaker or self.options.speaker
        task, seat = trajectory.task, trajectory.seats.get(speaker)
        if seat is None or not seat.tools or (speaker == "assistant" and task.tools is not None):
            return (task.tools or ()) if speaker == "assistant" else ()
        key = (task.env, speaker, *seat.tools)
        if key not in self.schemas:
            environment = self.environment(task.env)
            if environment is None:
                raise LookupError(f"{trajectory.id} uses tools of environment {task.env!r}, which is not there")
            known = {tool.name: tool for tool in environment.start(task).tools(speaker)}
            self.schemas[key] = tuple(known[name] for name in seat.tools if name in known)
        return self.schemas[key]


def _up_to_own_words(trajectory: Trajectory, speaker: Speaker) -> Trajectory | None:
    """Without what comes after the speaker's last words or call: there is nothing to learn from it."""
    own = [
        place
        for place, turn in enumerate(trajectory.turns)
        if turn.speaker == speaker
        and turn.message.role == "assistant"
        and (turn.message.content or turn.message.tool_calls)
    ]
    return msgspec.structs.replace(trajectory, turns=trajectory.turns[: own[-1] + 1]) if own else None
