"""A checkpoint that is asked like any other model."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest
import torch

from tests.training.orchards import course, settings, steps, trained, watched
from tests.training.policies import policy
from usergym.environments.base import load
from usergym.models.base import Reply
from usergym.rollouts.engine import Cast
from usergym.training import checkpoints
from usergym.training.chat import Chat
from usergym.training.frozen import Frozen
from usergym.types import Message, Sampling

__all__ = ["policy"]

ASKED = [[Message("user", f"tree-{number}. Which fruit is ripe?")] for number in range(5)]


def asked(model: Frozen, sampling: Sampling, *more: Sampling) -> list[Reply]:
    async def all_at_once() -> list[Reply]:
        try:
            each = zip(ASKED, [sampling, *more] + [sampling] * len(ASKED), strict=False)
            return await asyncio.gather(*(model.reply(messages, (), wanted) for messages, wanted in each))
        finally:
            await model.close()

    return asyncio.run(all_at_once())


def test_it_says_what_the_model_would_say_and_answers_requests_of_one_moment_together(
    policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, batches = Frozen(str(policy), max_tokens=10), []
    generate = model._generate
    monkeypatch.setattr(model, "_generate", lambda batch: batches.append(len(batch)) or generate(batch))
    replies = asked(model, Sampling(temperature=0.0))
    assert sum(batches) == 5
    assert len(batches) <= 2

    network, tokenizer = checkpoints.load(str(policy), trainable=False)
    chat = Chat(tokenizer)
    for messages, reply in zip(ASKED, replies, strict=True):
        ids = chat.first(messages)
        with torch.no_grad():
            made = network.generate(
                input_ids=torch.tensor([ids]), max_new_tokens=10, do_sample=False, eos_token_id=list(chat.end_ids)
            )[0, len(ids) :].tolist()
        assert reply.message.content == chat.read(made).content
        assert reply.tokens
        assert reply.tokens.prompt_ids == torch.tensor(ids, dtype=torch.int32).numpy().tobytes()
        assert reply.usage.output_tokens == len(made)
        assert reply.finish == ("stop" if chat.ended(made) else "length")


def test_requests_that_want_different_things_are_answered_apart(policy: Path) -> None:
    replies = asked(Frozen(str(policy)), Sampling(temperature=1.0, max_tokens=8), Sampling(max_tokens=1))
    assert [reply.usage.output_tokens == 1 for reply in replies] == [False, True, False, False, False]


def test_the_policy_as_it_was_plays_the_user_of_its_own_training(policy: Path, tmp_path: Path) -> None:
    user = Frozen(str(policy), max_tokens=40)
    with watched() as seen:
        trained(settings(policy, tmp_path / "run", max_lost=1.0), course(), cast=Cast(None, user), models=[user])
    said = [turn for played in seen.played for each in played for turn in each.turns if turn.speaker == "user"]
    assert len(said) > 8
    assert all(turn.tokens for turn in said)
    assert {each.seats["user"].model for each in seen.played[0]} == {str(policy)}
    assert len(steps(tmp_path / "run")) == 2


def test_a_model_driven_user_of_a_gym_is_played_by_it(policy: Path, tmp_path: Path) -> None:
    user = Frozen(str(policy), max_tokens=4)
    wide = shutil.copytree(policy, tmp_path / "wide")
    made_for = json.loads((wide / "config.json").read_text())
    (wide / "config.json").write_text(json.dumps({**made_for, "max_position_embeddings": 4096}))
    config = settings(wide, tmp_path / "run", steps=1, prompts=1, max_tokens=4, max_length=None)
    with watched() as seen:
        environment = load("telepathy:max_steps=2")
        done = trained(config, course(environment, "telepathy"), cast=Cast(None, user), models=[user])
    assert done.steps == 1
    assert {each.seats["user"].model for each in seen.played[0]} == {str(policy)}
