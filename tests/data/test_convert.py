import json

import msgspec
import pytest

from tests.data.strategies import played
from usergym.data import formats
from usergym.data.convert import convert, read_conversations
from usergym.environments.base import load
from usergym.rollouts.store import read_trajectories
from usergym.rows import BadRow, MissingPackage, read_rows


def ours(path, trajectories):
    path.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in trajectories))
    return path


@pytest.fixture
def talks():
    return [
        played(f"task {n}", sample, float(sample == n % 3), f"reply {sample}") for n in range(6) for sample in range(3)
    ]


@pytest.mark.parametrize("ending", ["jsonl", "json", "parquet"])
@pytest.mark.parametrize("name", formats.NAMES)
def test_there_and_back_is_the_same(tmp_path, talks, name, ending):
    source = ours(tmp_path / "in.jsonl", talks)
    there = convert(source, tmp_path / f"there.{ending}", name)
    assert (there.read, there.without_rows) == (18, 0)
    assert there.written >= 12
    back = convert(tmp_path / f"there.{ending}", tmp_path / "back.jsonl")
    assert back.written == 18
    found = {one.id: one for one in read_trajectories(tmp_path / "back.jsonl")}
    assert found == {one.id: one for one in talks}
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(["in.jsonl", "back.jsonl", f"there.{ending}"])


def test_the_calendar_goes_there_and_back(tmp_path):
    environment = load("calendar")
    from usergym.types import Seat, Trajectory, Turn

    tasks = environment.tasks()
    whole = []
    for n, task in zip(range(5), tasks, strict=False):
        one = played(f"x{n}")
        whole.append(
            Trajectory(task, 0, n, {"assistant": Seat("s")}, [*one.turns, Turn("judge", one.turns[0].message)])
        )
    source = ours(tmp_path / "in.jsonl", whole)
    for name in ("nemo_gym", "verl", "userrl"):
        convert(source, tmp_path / f"{name}.parquet", name)
        assert list(read_conversations(tmp_path / f"{name}.parquet")) == whole


def test_bad_rows_are_told_or_counted(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text('{"messages": [{"role": "user", "content": "a"}]}\n{"messages": [{"role": "king"}]}\nnonsense\n')
    with pytest.raises(BadRow, match=r"in\.jsonl:2: field 'messages'.*king"):
        convert(path, tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()
    done = convert(path, tmp_path / "out.jsonl", skip_bad=True)
    assert (done.read, done.written, done.skipped.count) == (1, 1, 2)
    assert [bad.place.number for bad in done.skipped.rows] == [2, 3]


def test_the_input_is_never_its_own_output(tmp_path, talks):
    source = ours(tmp_path / "in.jsonl", talks)
    with pytest.raises(ValueError, match="different files"):
        convert(source, source, "messages")
    assert len(list(read_trajectories(source))) == 18


def test_a_conversation_without_a_place_in_the_format_is_counted(tmp_path):
    silent = played("x")
    silent.turns = silent.turns[:2]
    source = ours(tmp_path / "in.jsonl", [silent, played("y")])
    done = convert(source, tmp_path / "out.jsonl", "interactions")
    assert (done.written, done.without_rows) == (1, 1)


def test_pairs_are_made_of_samples_that_stand_apart(tmp_path, talks):
    apart = [one for sample in range(3) for one in talks if one.sample == sample]
    convert(ours(tmp_path / "in.jsonl", apart), tmp_path / "out.jsonl", "dpo")
    pairs = [row for _, row in read_rows(tmp_path / "out.jsonl")]
    assert len(pairs) == 12
    assert {(row["score_chosen"], row["score_rejected"]) for row in pairs} == {(1.0, 0.0)}
    assert json.loads(pairs[0]["usergym"])["columns"]


def test_parquet_without_pyarrow_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    (tmp_path / "x.parquet").touch()
    with pytest.raises(MissingPackage, match=r"pip install 'usergym\[data\]'"):
        list(read_rows(tmp_path / "x.parquet"))


def test_prompts_and_a_prepared_folder_are_told_for_what_they_are(tmp_path):
    rows = tmp_path / "train.jsonl"
    rows.write_text('{"prompt": "Why does bread rise?"}\n')
    with pytest.raises(BadRow, match=r"these are prompts, .*give conversations or tuples.*style:prompts=FILE$"):
        next(read_conversations(rows))
    with pytest.raises(ValueError, match=rf"holds no trajectories\.jsonl; did you mean {rows}\?"):
        next(read_conversations(tmp_path))
    rows.write_text('{"text": "Bread rises."}\n')
    with pytest.raises(BadRow, match=r'the fields text; give conversations, such as \{"messages": .*"o": "\.\.\."\}$'):
        next(read_conversations(rows))
    with pytest.raises(BadRow, match=r"--from says of which format it is"):
        convert(rows, tmp_path / "out.jsonl")
