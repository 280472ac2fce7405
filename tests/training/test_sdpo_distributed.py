"""One SDPO run on two processes, which torchrun starts and gloo connects."""

from pathlib import Path

import msgspec
import torch

from tests.training.both import on_two_processes
from tests.training.orchards import metrics
from tests.training.sdpo_runs import exact, logprobs, reader, replies
from usergym.types import Trajectory

__all__ = ["reader"]


def lines(run: Path, name: str) -> list[bytes]:
    return [line for path in (run / f"{name}.jsonl", run / f"{name}-1.jsonl") for line in path.open("rb")]


def test_two_processes_learn_the_same_and_share_siblings_and_means(reader: Path, tmp_path: Path) -> None:
    """Twelve conversations a step, six on each process, so the second of three groups is on both."""
    told = on_two_processes("two_sdpo_processes.py", reader, tmp_path)
    assert told[0]["sums"] == told[1]["sums"]
    assert told[0]["teacher"] == told[1]["teacher"]
    assert told[0]["teacher"] != told[0]["sums"]

    run = tmp_path / "run"
    every = [msgspec.json.decode(line, type=Trajectory) for line in lines(run, "trajectories")]
    played = sorted((each for each in every if each.sample < 12), key=lambda each: each.sample)
    said = {(line["sample"], line["turn"]): line for line in map(msgspec.json.decode, lines(run, "signals"))}
    assert len(every) == 24
    assert len(said) == sum(turn.tokens is not None for each in every for turn in each.turns)

    # What one process would make of the same conversations.
    model, tokenizer = exact(reader)
    every_reply = replies(tokenizer, played)
    reactions = {(row.conversation, str(row.x)): row.o for row in every_reply}
    rows = [row for row in every_reply if not said[row.conversation, row.turn]["left_out"]]
    plain, across = [], 0
    with torch.no_grad():
        for row in rows:
            line = said[row.conversation, row.turn]
            source = line["reaction_to"]
            assert source != row.conversation
            assert reactions[source, str(row.x)] == line["reaction"]
            across += (row.conversation < 6) != (source < 6)
            plain.append(logprobs(model, row.behind(line["reaction"]), row.y) - logprobs(model, row.x, row.y))
    assert across
    mean = torch.cat(plain).mean()
    for row, each in zip(rows, plain, strict=True):
        given = told[row.conversation // 6]["advantages"][0][row.conversation % 6]
        found = torch.tensor(given[row.start : row.start + len(row.y)], dtype=torch.double)
        torch.testing.assert_close(found, each - mean, rtol=1e-3, atol=1e-4)
    count = sum(len(row.y) for row in rows)
    assert [each["counted"][0] for each in told] == [count, count]
    assert metrics(run)[0]["sdpo/replies"] == len([key for key in said if key[0] < 12])
