"""Recorded conversations as the groups that credit is given in, with what is left out and why."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec

from usergym.rollouts.store import Failed
from usergym.training.credit import Method, Preset, Standing, standings
from usergym.training.turns import turn_rewards
from usergym.types import Speaker, Trajectory

T = TypeVar("T")
H = TypeVar("H")


class _Task(msgspec.Struct):
    id: str


class _Line(msgspec.Struct):
    """As little of a trajectory as says which group it belongs to."""

    task: _Task
    sample: int


class _FailedLine(msgspec.Struct):
    trajectory: _Line


@dataclass
class Member:
    """One conversation of a group."""

    trajectory: Trajectory
    replies: list[int]
    """Places in `trajectory.turns`."""
    rewards: list[float] | None
    left_out: str = ""
    """Why it has no credit and is in no baseline."""
    standings: dict[Preset, Standing] = field(default_factory=dict)


@dataclass
class Explained:
    """All samples of one task."""

    task: str
    members: list[Member]

    @property
    def scored(self) -> list[Member]:
        return [member for member in self.members if member.rewards is not None]

    def is_flat(self, preset: Preset) -> bool:
        return len(self.scored) > 1 and not any(each.standings[preset].turns.any() for each in self.scored)


def settle(group: Explained, method: Method) -> None:
    """Gives every scored member its standing under the preset."""
    members = group.scored
    tokens = [_tokens(member) for member in members]
    counts = [each for each in tokens if each is not None]
    found = standings(
        [member.rewards for member in members],
        [group.task] * len(members),
        method,
        counts if len(counts) == len(members) else None,
    )
    for member, standing in zip(members, found, strict=True):
        assert standing is not None
        member.standings[method.preset] = standing


def _tokens(member: Member) -> list[int] | None:
    """Sampled tokens of each reply, where they were recorded."""
    found = [member.trajectory.turns[place].tokens for place in member.replies]
    counts = [len(each.output_ids) // 4 for each in found if each]
    return counts if len(counts) == len(found) else None


def read(run: Path, speaker: Speaker, task: str | None, limit: int) -> tuple[Path, list[Explained], int]:
    """The file, its first groups, and how many there are. Whole conversations are decoded only of groups that are
    shown. Failed ones are taken from the failures.jsonl beside it, as far as they did not end well later."""
    path = _find(run)
    groups: dict[str, list[Trajectory]] = {}
    tasks: set[str] = set()

    def wanted(line: _Line) -> bool:
        tasks.add(line.task.id)
        return line.task.id in groups or (len(groups) < limit and (task is None or line.task.id == task))

    for trajectory in _decoded(path, _Line, Trajectory, wanted):
        groups.setdefault(trajectory.task.id, []).append(trajectory)
    failures = path.with_name("failures.jsonl")
    if path.name == "trajectories.jsonl" and failures.exists():
        done = {each.id for group in groups.values() for each in group}
        lost = {}
        for failed in _decoded(failures, _FailedLine, Failed, lambda line: wanted(line.trajectory)):
            groups.setdefault(failed.trajectory.task.id, [])
            lost[failed.trajectory.id] = failed.trajectory
        for trajectory in lost.values():
            if trajectory.id not in done:
                groups[trajectory.task.id].append(trajectory)
    if not tasks:
        raise ValueError(f"{path} holds no conversations; the run has not finished any yet")
    if not groups:
        some = ", ".join(sorted(tasks)[:5])
        raise ValueError(f"no task {task!r} in {path}; its {len(tasks)} tasks begin with {some}")
    found = [
        Explained(name, [_member(each, speaker) for each in sorted(group, key=lambda each: each.sample)])
        for name, group in groups.items()
    ]
    return path, found, len(tasks)


def _find(run: Path) -> Path:
    for place in (run, Path("runs") / run):
        if place.is_file():
            return place
        if place.is_dir():
            path = place / "trajectories.jsonl"
            if not path.exists():
                raise ValueError(f"{place} holds no trajectories.jsonl; give the folder of a run, as in runs/")
            return path
    raise ValueError(f"no run {run}; `usergym rollout --out NAME` makes runs/NAME, or give a trajectories.jsonl")


def _decoded(path: Path, head: type[H], kind: type[T], wanted: Callable[[H], bool]) -> Iterator[T]:
    """What of a file is wanted. A last line that is being written, or was torn, is passed over."""
    read_head, read_all = msgspec.json.Decoder(head).decode, msgspec.json.Decoder(kind).decode
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.isspace():
                continue
            try:
                if wanted(read_head(line)):
                    yield read_all(line)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                if line.endswith(b"\n"):
                    remedy = "give a run folder, or its trajectories.jsonl"
                    raise ValueError(f"{path}:{number} is no conversation of ours ({error}); {remedy}") from None


def _member(trajectory: Trajectory, speaker: Speaker) -> Member:
    replies, rewards = turn_rewards(trajectory, speaker)
    return Member(trajectory, replies, rewards, "" if rewards is not None else _why(trajectory, speaker, replies))


def _why(trajectory: Trajectory, speaker: Speaker, replies: list[int]) -> str:
    if trajectory.error:
        return f"failed ({trajectory.error.kind}): {trajectory.error.message}"
    if not replies:
        return f"no reply of the {speaker} after the opening"
    for reward in trajectory.rewards:
        if reward.speaker == speaker and reward.weight and reward.value is None:
            return f"{reward.name} was not scored{': ' + reward.reason if reward.reason else ''}"
    return f"no reward of the {speaker} counts"
