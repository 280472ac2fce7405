import asyncio
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from pathlib import Path

import msgspec
import pytest

from tests.rollouts.test_engine import Parrot
from tests.rollouts.toy import CountingEnvironment, Rivals, task
from usergym.environments.base import Environment, World
from usergym.models.base import BudgetSpent, ModelError, Reply, StopRun
from usergym.rollouts.collect import collect
from usergym.rollouts.engine import Cast, begin, seat_model, seat_oracle
from usergym.rollouts.store import RunRefused, Store, read_failures, read_trajectories
from usergym.types import Message, Sampling, Task, Tool, Trajectory

ROOT = Path(__file__).parents[2]


def gather(
    folder: Path, tasks: list[Task], cast: Cast, environment: Environment | None = None, **more: object
) -> list[list[Trajectory]]:
    async def all_groups() -> list[list[Trajectory]]:
        store = Store.open(folder, {"model": "x"})
        try:
            groups = collect(environment or CountingEnvironment(), tasks, cast, store=store, **more)  # type: ignore[arg-type]
            async with aclosing(groups):
                return [group async for group in groups]
        finally:
            store.close()

    return asyncio.run(all_groups())


def tasks(n: int) -> list[Task]:
    return [task(number=i) for i in range(n)]


def test_samples_of_a_task_are_yielded_together_and_written_once(tmp_path: Path) -> None:
    groups = gather(tmp_path, tasks(7), Cast(seat_oracle), repeats=3, concurrency=4)
    assert sorted(len(group) for group in groups) == [3] * 7
    assert all(len({member.task.id for member in group}) == 1 for group in groups)
    stored = list(read_trajectories(tmp_path))
    assert sorted(t.id for t in stored) == sorted(member.id for group in groups for member in group)
    assert len({t.seed for t in stored}) == 21
    assert not list(tmp_path.glob("journal-*"))


def test_a_line_of_trajectories_has_the_documented_fields(tmp_path: Path) -> None:
    gather(tmp_path, tasks(1), Cast(seat_oracle))
    row = json.loads((tmp_path / "trajectories.jsonl").read_text())
    assert row["task"]["id"]
    assert row["sample"] == 0
    assert row["turns"][0]["speaker"] == "user"
    assert row["turns"][0]["message"]["role"] == "assistant"
    assert row["rewards"][0]["name"]


def test_a_second_run_plays_only_what_is_missing(tmp_path: Path) -> None:
    assert len(gather(tmp_path, tasks(2), Cast(seat_oracle))) == 2
    assert len(gather(tmp_path, tasks(5), Cast(seat_oracle))) == 3
    assert len(gather(tmp_path, tasks(5), Cast(seat_oracle))) == 0
    assert len(list(read_trajectories(tmp_path))) == 5


def test_a_failed_conversation_goes_on_from_its_last_turn_and_is_given_up_after_three_attempts(tmp_path: Path) -> None:
    def attempt(*answers: object) -> Parrot:
        parrot = Parrot(answers)  # type: ignore[arg-type]
        gather(tmp_path, tasks(1), Cast(seat_model(parrot)))
        return parrot

    down = ModelError("unavailable", "down")
    attempt(Reply(Message("assistant", "number 0")), down)
    second = attempt(down)
    assert second.asked[0][-1].content == "number 1"
    attempt(down)
    assert attempt().asked == []
    failures = list(read_failures(tmp_path))
    assert [failed.attempt for failed in failures] == [0, 1, 2]
    assert len(failures[-1].trajectory.turns) == 3
    assert not (tmp_path / "trajectories.jsonl").read_text()


def test_a_failure_that_later_succeeds_counts_as_finished(tmp_path: Path) -> None:
    gather(tmp_path, tasks(1), Cast(seat_model(Parrot([ModelError("unavailable", "down")]))))
    groups = gather(tmp_path, tasks(1), Cast(seat_model(Parrot())))
    assert groups[0][0].reward() == 1.0
    assert len(list(read_trajectories(tmp_path))) == 1


def test_stop_run_ends_everything_and_the_run_can_go_on(tmp_path: Path) -> None:
    with pytest.raises(StopRun, match="key"):
        gather(tmp_path, tasks(9), Cast(seat_model(Parrot([StopRun("the key was refused")]))), concurrency=3)
    before = len(list(read_trajectories(tmp_path)))
    assert len(gather(tmp_path, tasks(9), Cast(seat_oracle))) == 9 - before > 0


def test_calls_in_flight_at_a_stop_still_come_in(tmp_path: Path) -> None:
    class Spent(Parrot):
        async def reply(self, messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> Reply:
            if len(self.asked) == 10:
                raise BudgetSpent("the budget is spent")
            reply = await super().reply(messages, tools, sampling)
            await asyncio.sleep(0.05)
            return reply

    model = Spent()
    with pytest.raises(StopRun, match="spent"):
        gather(tmp_path, tasks(9), Cast(seat_model(model)), concurrency=4)
    again = Parrot()
    gather(tmp_path, tasks(9), Cast(seat_model(again)), concurrency=4)
    assert len(model.asked) + len(again.asked) == 9 * 3


def test_a_group_judged_together_is_written_in_one_piece(tmp_path: Path) -> None:
    groups = gather(tmp_path, tasks(2), Cast(seat_oracle), Rivals(), repeats=4, concurrency=3)
    assert all(member.rewards[-1].name == "best" for group in groups for member in group)
    order = [t.task.id for t in read_trajectories(tmp_path)]
    assert order in ([order[0]] * 4 + [order[4]] * 4,)


def test_members_that_wait_for_their_group_are_not_played_again(tmp_path: Path) -> None:
    first = Parrot([ModelError("unavailable", "x")])

    async def interrupted() -> None:
        store = Store.open(tmp_path, {"model": "x"})
        from usergym.rollouts.engine import begin, play

        member = begin(tasks(1)[0], 0, 0)
        await play(Rivals(), member, Cast(seat_oracle), journal=store)
        store.ended(member)
        os._exit(0)  # as if killed

    assert first.asked == []
    pid = os.fork()
    if pid == 0:
        asyncio.run(interrupted())
    os.waitpid(pid, 0)
    parrot = Parrot()
    (group,) = gather(tmp_path, tasks(1), Cast(seat_model(parrot)), Rivals(), repeats=2)
    assert len(group) == 2
    assert len(parrot.asked) == 3


def test_a_torn_last_line_is_set_aside(tmp_path: Path) -> None:
    gather(tmp_path, tasks(3), Cast(seat_oracle))
    path = tmp_path / "trajectories.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    store = Store.open(tmp_path, {"model": "x"})
    store.close()
    assert "torn" in store.notes[0]
    assert (tmp_path / "trajectories.jsonl.torn").read_bytes() == whole.splitlines()[-1][:-29] + b"\n"
    assert len(gather(tmp_path, tasks(3), Cast(seat_oracle))) == 1
    assert sorted(path.read_bytes().splitlines()) == sorted(whole.splitlines())


def test_another_configuration_is_refused_with_the_difference(tmp_path: Path) -> None:
    Store.open(tmp_path, {"model": "y"}).close()  # nothing was played under this one
    store = Store.open(tmp_path, {"model": "x", "sampling": {"temperature": 0.5}}, {"concurrency": 1})
    store.finish([begin(task(), 0, 0)])
    store.close()
    Store.open(tmp_path, {"model": "x", "sampling": {"temperature": 0.5}}, {"concurrency": 9}).close()
    with pytest.raises(RunRefused, match=r"sampling\.temperature was 0\.5, now 0\.7"):
        Store.open(tmp_path, {"model": "x", "sampling": {"temperature": 0.7}})
    Store.open(tmp_path, {"model": "x", "sampling": {"temperature": 0.7}}, fresh=True).close()


def test_a_task_that_changed_under_its_id_is_refused(tmp_path: Path) -> None:
    gather(tmp_path, tasks(2), Cast(seat_oracle))
    changed = msgspec.structs.replace(tasks(2)[1], data={"number": 1, "n": 5})
    with pytest.raises(RunRefused, match="is not what it was"):
        gather(tmp_path, [changed], Cast(seat_oracle))


def test_other_files_of_the_folder_are_left_alone(tmp_path: Path) -> None:
    mine = {"notes.jsonl": '{"my": "notes"}', "journal-mine.jsonl": "x", "data.jsonl": "{}\n"}
    for name, text in mine.items():
        (tmp_path / name).write_text(text)
    for fresh in (False, True):
        Store.open(tmp_path, {}, fresh=fresh).close()
        assert {name: (tmp_path / name).read_text() for name in mine} == mine


@pytest.mark.parametrize("text", ["", "[]", "{}", "garbage"])
def test_a_damaged_run_is_named_with_the_remedy(tmp_path: Path, text: str) -> None:
    gather(tmp_path, tasks(1), Cast(seat_model(Parrot([ModelError("unavailable", "x")]))))
    config = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(RunRefused, match=r"config\.json.*--fresh"):
        Store.open(tmp_path, {"model": "x"})
    (tmp_path / "config.json").write_text(config)
    with (tmp_path / "failures.jsonl").open("a") as file:
        file.write("\nnot json\n")
    with pytest.raises(ValueError, match=r"failures\.jsonl:3: .*take the line out"):
        Store.open(tmp_path, {"model": "x"})


def test_a_reward_that_is_none_is_a_failure_of_its_conversation_only(tmp_path: Path) -> None:
    class Wrong(CountingEnvironment):
        def start(self, of: Task) -> World:
            world = super().start(of)
            if of.data["number"] == 1:
                world.rewards.append(5)  # type: ignore[arg-type]
            return world

    groups = gather(tmp_path, tasks(3), Cast(seat_oracle), Wrong())
    assert sorted(str(group[0].error and group[0].error.kind) for group in groups) == ["None", "None", "environment"]
    assert len(list(read_trajectories(tmp_path))) == 2


class Sleepy(Parrot):
    async def reply(self, messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> Reply:
        await asyncio.sleep(0.01)
        return await super().reply(messages, tools, sampling)


def test_two_tasks_of_one_id_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="two tasks have the id"):
        gather(tmp_path, tasks(1) * 2, Cast(seat_model(Sleepy())), repeats=2)


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    store = Store.open(tmp_path, {})
    with pytest.raises(RunRefused, match="another process"):
        Store.open(tmp_path, {})
    store.close()
    Store.open(tmp_path, {}).close()


def test_a_full_disk_ends_the_run_and_leaves_only_whole_lines(tmp_path: Path) -> None:
    program = (
        "import resource, signal, sys; from pathlib import Path\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
        "from tests.rollouts.test_store import *\n"
        f"gather(Path({str(tmp_path)!r}), tasks(50), Cast(seat_oracle), concurrency=2)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert "StopRun: cannot write" in done.stderr
    assert "Make room" in done.stderr
    stored = list(read_trajectories(tmp_path))
    assert 0 < len(stored) < 50
    assert len(gather(tmp_path, tasks(50), Cast(seat_oracle))) == 50 - len(stored)


CHILD = """
import asyncio, os, sys
from pathlib import Path
from tests.rollouts.test_store import *

class Slow(Parrot):
    async def reply(self, messages, tools, sampling):
        os.write(int(sys.argv[2]), f"{messages[1].content if len(messages) > 1 else ''}|{sampling.seed}\\n".encode())
        await asyncio.sleep(0.002)
        return await super().reply(messages, tools, sampling)

gather(Path(sys.argv[1]), [task(number=i, n=12) for i in range(80)], Cast(seat_model(Slow())), concurrency=8)
"""


def test_kill_9_at_random_moments_loses_and_repeats_nothing(tmp_path: Path) -> None:
    folder, calls = tmp_path / "run", tmp_path / "calls"
    random.seed(7)
    kills = 0
    with calls.open("ab") as file:
        for _ in range(60):
            command = [sys.executable, "-c", CHILD, str(folder), str(file.fileno())]
            child = subprocess.Popen(command, cwd=ROOT, pass_fds=(file.fileno(),))
            before = calls.stat().st_size
            try:
                while child.poll() is None and calls.stat().st_size == before:
                    time.sleep(0.002)
                child.wait(random.uniform(0.005, 0.06))
                break
            except subprocess.TimeoutExpired:
                child.send_signal(signal.SIGKILL)
                child.wait()
                kills += 1
    assert kills >= 5
    stored = list(read_trajectories(folder))
    assert Counter(t.id for t in stored) == Counter(f"{task(number=i, n=12).id}#0" for i in range(80))
    assert all(t.reward() == 1.0 and len(t.turns) == 25 for t in stored)
    paid = calls.read_text().splitlines()
    assert len(set(paid)) == 80 * 12
    assert len(paid) <= 80 * 12 + kills * 8


def test_a_journal_segment_is_dropped_when_nothing_open_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("usergym.rollouts.store.SEGMENT_BYTES", 2000)
    seen: list[set[str]] = []

    class Watching(CountingEnvironment):
        def start(self, of: Task) -> World:
            seen.append({path.stem for path in tmp_path.glob("journal-*")})
            return super().start(of)

    gather(tmp_path, tasks(100), Cast(seat_oracle), Watching(), concurrency=2)
    assert max(map(len, seen)) <= 4
    assert len(set().union(*seen)) >= 10


def test_memory_does_not_grow_with_the_number_of_tasks(tmp_path: Path) -> None:
    async def stream(limit: int) -> int:
        from itertools import islice

        groups = collect(CountingEnvironment(), islice(CountingEnvironment().tasks(), limit), Cast(seat_oracle))
        async for _ in groups:
            pass
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    first = asyncio.run(stream(1000))
    assert asyncio.run(stream(6000)) - first < 3000  # KiB


def test_a_timeout_of_the_task_source_is_passed_on(tmp_path: Path) -> None:
    def source() -> Iterator[Task]:
        yield task(number=1)
        raise TimeoutError("the source did not answer")

    with pytest.raises(TimeoutError, match="did not answer"):
        gather(tmp_path, source(), Cast(seat_oracle))  # type: ignore[arg-type]


def test_a_training_run_is_not_written_over_not_even_by_starting_over(tmp_path: Path) -> None:
    made = b'{"identity": {"grpo": {}}, "starts": []}'
    (tmp_path / "config.json").write_bytes(made)
    for fresh in (False, True):
        with pytest.raises(RunRefused, match="training run"):
            Store.open(tmp_path, {"model": "x"}, fresh=fresh)
    assert (tmp_path / "config.json").read_bytes() == made
