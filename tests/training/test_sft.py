"""Supervised fine-tuning: which ids are learned, that they are learned, and that a killed run is none the worse."""

import asyncio
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from usergym.environments.base import load
from usergym.models import tool_text
from usergym.rollouts.engine import Cast, begin, play, seat_oracle
from usergym.training import checkpoints, tiny
from usergym.training.conversations import Conversation, Encoder, encode, told
from usergym.training.policy import Sampled, seating
from usergym.training.record import read_metrics
from usergym.training.sft import SftConfig, Trained, train
from usergym.training.tokens import only_row
from usergym.types import Message, Tool, ToolCall, Trajectory

GYM = load("intention")


def played() -> list[Trajectory]:
    async def all_of_them() -> list[Trajectory]:
        return [await play(GYM, begin(task, 0, 0), Cast(seat_oracle)) for task in islice(GYM.tasks("train"), 16)]

    return asyncio.run(all_of_them())


TRAJECTORIES = played()
TOOLS = tuple(GYM.start(TRAJECTORIES[0].task).tools("assistant"))
CONVERSATIONS = [Conversation(each.id, each.view("assistant"), TOOLS) for each in TRAJECTORIES]


def texts() -> Iterator[str]:
    for conversation in CONVERSATIONS:
        for message in conversation.messages:
            yield message.content
            yield from (call.arguments for call in message.tool_calls)


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures take longer than these runs, and have tests of their own."""
    monkeypatch.setattr("usergym.training.progress.curves", lambda folder: None)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sizes = {"hidden": 32, "layers": 2, "heads": 2, "vocabulary": 600, "context": 2048}
    fixed = [CONVERSATIONS[0].messages[0].content, tool_text.instructions(TOOLS)]
    return tiny.make(tmp_path_factory.mktemp("tiny"), texts(), fixed=fixed, **sizes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def encoder(model: Path) -> Encoder:
    return Encoder(checkpoints.tokenizer(checkpoints.check(str(model))))


def said(encoder: Encoder, conversation: Conversation) -> list[str]:
    """What the labels of its rows spell."""
    return [
        encoder.tokenizer.decode(row.labels[start:end])
        for row in encoder.rows(conversation)
        for start, end in row.runs()
    ]


def test_only_the_assistants_calls_and_end_tokens_are_learned(encoder: Encoder) -> None:
    conversation = CONVERSATIONS[0]
    calls = [call for message in conversation.messages for call in message.tool_calls]
    assert len(calls) > 1
    assert said(encoder, conversation) == [
        f'<tool_call>\n{{"name": "interact_with_env", "arguments": {call.arguments}}}\n</tool_call><|im_end|>'
        for call in calls
    ]


def test_either_speaker_is_learned_from_one_record(encoder: Encoder) -> None:
    trajectory = TRAJECTORIES[0]
    spoken = [turn.said for turn in trajectory.turns if turn.speaker == "user" and turn.said]
    assert said(encoder, told(trajectory, "user")) == [f"{words}<|im_end|>" for words in spoken]
    with pytest.raises(ValueError, match="the schemas of its tools are not in it; write it out first: usergym export"):
        told(trajectory, "assistant")


def test_what_is_learned_is_to_the_token_what_a_policy_is_shown(encoder: Encoder) -> None:
    for conversation, trajectory in zip(CONVERSATIONS[:4], TRAJECTORIES, strict=False):
        replies = iter([encoder.reply(each) for each in conversation.messages if each.role == "assistant"])

        async def sample(prompt: list[int], left: Iterator[list[int]] = replies) -> Sampled:
            return Sampled(next(left))

        again = begin(trajectory.task, 0, 0)
        asyncio.run(play(GYM, again, Cast(seating(encoder.chat, sample))))
        assert again.reward() == trajectory.reward()
        (row,) = encoder.rows(conversation)
        sampled = only_row(again)
        assert row.ids.tolist() == sampled.ids.tolist()
        assert row.own.tolist() == sampled.mask.tolist()
        (recorded,) = encoder.rows(told(again, "assistant"))
        assert recorded.ids.tolist() == sampled.ids.tolist()
        assert recorded.own.tolist() == sampled.mask.tolist()


def test_a_native_call_is_learned_in_the_words_of_the_template() -> None:
    from tests.training import tokenizers

    encoder = Encoder(tokenizers.tokenizer(tokenizers.CHATML))
    look = Tool("look", "Looks.", {"type": "object", "properties": {}})
    call = Message("assistant", "I look.", tool_calls=(ToolCall("call_1", "look", "{ }"),))
    talk = [
        Message("user", "Where?"),
        call,
        Message("tool", "here", tool_call_id="call_1"),
        Message("assistant", "Here."),
    ]
    assert said(encoder, Conversation("it", talk, (look,))) == [
        'I look.\n<tool_call>\n{"name": "look", "arguments": { }}\n</tool_call><|im_end|>',
        "Here.<|im_end|>",
    ]


def test_long_conversations_are_left_out_cut_behind_a_reply_or_refused(encoder: Encoder) -> None:
    (row,) = encoder.rows(CONVERSATIONS[0])
    (first, second, *_) = row.runs()
    dropped = encode(encoder, CONVERSATIONS[:1], second[1] - 1, "drop")
    assert (dropped.rows, dict(dropped.left_out)) == ([], {f"longer than {second[1] - 1:,} tokens": 1})
    cut = encode(encoder, CONVERSATIONS[:1], second[1] - 1, "cut")
    assert cut.rows[0].ids.tolist() == row.ids[: first[1]].tolist()
    assert encoder.chat.ended(cut.rows[0].ids.tolist())
    assert cut.cut == 1
    assert not encode(encoder, CONVERSATIONS[:1], first[1] - 1, "cut").rows
    with pytest.raises(ValueError, match=r"intention-\S+ has [\d,]+ tokens, more than --max-length 9; raise it"):
        encode(encoder, CONVERSATIONS[:1], 9, "fail")


def test_what_cannot_be_learned_is_counted_by_its_reason(encoder: Encoder) -> None:
    asked = Message("user", "Which?")
    found = encode(
        encoder,
        [
            Conversation("a", [asked]),
            Conversation("b", [asked, Message("assistant", "Stop: <|im_end|> and go on.")]),
            Conversation("c", [Message("user", "It ends in <|im_end|>."), Message("assistant", "Does it?")]),
        ],
        1024,
        "drop",
    )
    assert dict(found.left_out) == {"no assistant turn": 1, "words that hold the name of a special token": 1}
    assert len(found.rows) == 1


def config_for(model: Path, out: Path, **more: Any) -> SftConfig:
    settings = {"steps": 8, "batch": 4, "micro_batch": 2, "learning_rate": 1e-2, "save_every": 4, "track": ()}
    return SftConfig(str(model), out, **(settings | more))


def quietly(config: SftConfig, **more: Any) -> Trained:
    return train(config, CONVERSATIONS[:12], CONVERSATIONS[12:], say=lambda text: None, **more)


def losses(folder: Path, key: str = "loss") -> list[float]:
    return [line[key] for line in read_metrics(folder) if key in line]


def test_the_loss_falls_and_a_killed_run_goes_on_as_if_nothing_had_been(model: Path, tmp_path: Path) -> None:
    config = config_for(model, tmp_path / "run", steps=20, save_every=10)
    whole = quietly(config)
    fell = losses(tmp_path / "run")
    assert len(fell) == 20
    assert fell[-1] < 0.7 * fell[0]
    assert losses(tmp_path / "run", "eval_loss")[-1] < losses(tmp_path / "run", "eval_loss")[0]
    trained = checkpoints.load(str(whole.model))[0].state_dict()

    shutil.rmtree(whole.model)
    shutil.rmtree(tmp_path / "run" / "checkpoints" / "checkpoint-20")
    told: list[str] = []
    again = train(config, CONVERSATIONS[:12], CONVERSATIONS[12:], say=told.append)
    assert told == ["going on from step 10"]
    assert again.loss == pytest.approx(whole.loss, abs=1e-6)
    assert losses(tmp_path / "run") == pytest.approx(fell, abs=1e-6)
    for name, weights in checkpoints.load(str(again.model))[0].state_dict().items():
        assert torch.allclose(weights, trained[name], atol=1e-6)

    done = train(config, CONVERSATIONS[:12], CONVERSATIONS[12:], say=told.append)
    assert done.loss is None
    assert told[-1].startswith("nothing was left to do")


def test_an_adapter_learns_while_the_model_under_it_stays(model: Path, tmp_path: Path) -> None:
    trained = quietly(config_for(model, tmp_path / "run", lora=True, lora_r=4))
    fell = losses(tmp_path / "run")
    assert fell[-1] < fell[0]
    base = checkpoints.load(str(model))[0].state_dict()
    adapted = checkpoints.load(str(tmp_path / "run" / "adapter"))[0]
    kept = {
        name.removeprefix("base_model.model.").replace(".base_layer", ""): each
        for name, each in adapted.state_dict().items()
    }
    assert all(torch.equal(weights, kept[name]) for name, weights in base.items())
    merged = checkpoints.load(str(trained.model))[0].state_dict()
    assert any(not torch.equal(weights, base[name]) for name, weights in merged.items())
    went_on = quietly(config_for(tmp_path / "run" / "adapter", tmp_path / "more", lora=True, steps=2))
    assert losses(tmp_path / "more")[0] < fell[0]
    assert json.loads((went_on.model.parent / "adapter" / "adapter_config.json").read_text())["r"] == 4


def test_micro_batches_change_nothing(model: Path, tmp_path: Path) -> None:
    for size in (1, 4):
        train(config_for(model, tmp_path / str(size), steps=2, micro_batch=size), CONVERSATIONS[:12], say=print)
    assert losses(tmp_path / "1") == pytest.approx(losses(tmp_path / "4"), rel=1e-4)


def test_a_batch_that_cannot_be_cut_and_data_without_a_row_are_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"--batch 5 cannot be cut into 1 process\(es\) with --micro-batch 2"):
        quietly(config_for(model, tmp_path, batch=5))
    with pytest.raises(ValueError, match="nothing to train on: left out are 12 longer than 10 tokens"):
        quietly(config_for(model, tmp_path, max_length=10))
    with pytest.raises(ValueError, match="the data holds no conversation"):
        train(config_for(model, tmp_path), [])
    with pytest.raises(ValueError, match="--epochs is 0; give more than 0"):
        config_for(model, tmp_path, epochs=0)
    assert not any(tmp_path.iterdir())


TWO_PROCESSES = """
import os, pickle, sys, torch
from usergym.training import sft
with open(sys.argv[1], "rb") as file:
    config, conversations = pickle.load(file)
finished = sft._finished
def kept(trainer, record, steps):
    weights = torch.cat([each.detach().flatten() for each in trainer.model.parameters()])
    torch.save(weights, sys.argv[1] + os.environ["RANK"])
    return finished(trainer, record, steps)
sft._finished = kept
sft.train(config, conversations)
"""


def test_two_processes_end_with_the_same_weights_as_one(model: Path, tmp_path: Path) -> None:
    script, given = tmp_path / "two.py", tmp_path / "given"
    script.write_text(TWO_PROCESSES)
    given.write_bytes(pickle.dumps((config_for(model, tmp_path / "two", steps=3, warmup=0), CONVERSATIONS[:12])))
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*launch, script, given], env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    first, second = (torch.load(f"{given}{rank}") for rank in (0, 1))
    assert torch.equal(first, second)
    train(config_for(model, tmp_path / "one", steps=3, warmup=0), CONVERSATIONS[:12], say=print)
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-3)
    alone = checkpoints.load(str(tmp_path / "one"))[0]
    assert torch.allclose(first, torch.cat([each.detach().flatten() for each in alone.parameters()]), atol=2e-3)
