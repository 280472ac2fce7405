"""What contexts have in common is read once, and nothing else changes."""

import random
from typing import Any

import numpy as np
import pytest
import torch
from transformers import MistralConfig, MistralForCausalLM

from tests.training.test_divergence import HEADS, MODELS, SIZES, WORDS, adapted, gpt2, llama
from usergym.training.beginnings import common, logprobs_behind, student_and_teacher
from usergym.training.divergence import reply_logprobs
from usergym.training.heads import halves
from usergym.training.logprobs import reply_states


def windowed() -> Any:
    """Its cache forgets, so it cannot be cut."""
    torch.manual_seed(0)
    return MistralForCausalLM(MistralConfig(**SIZES, **HEADS, num_key_value_heads=1, sliding_window=4))


def rows(count: int = 6) -> tuple[list[list[list[int]]], list[list[int]]]:
    draws = random.Random(2)

    def ids(least: int, most: int) -> list[int]:
        return [draws.randrange(WORDS) for _ in range(draws.randrange(least, most))]

    several = []
    for _ in range(count):
        before, behind = ids(0, 9), ids(1, 3)
        several.append([before + behind, before + ids(1, 9) + behind, before + ids(1, 4) + behind])
    return several, [ids(0, 8) for _ in range(count)]


@pytest.mark.parametrize("name", [*MODELS, "sliding window"])
def test_every_reply_is_as_likely_as_when_each_context_is_read_whole(name: str) -> None:
    model = windowed() if name == "sliding window" else MODELS[name][0]()
    contexts, replies = rows()
    contexts[0].append(contexts[0][0])
    contexts[1] = [contexts[1][0], contexts[1][0] + contexts[1][1]]
    contexts[2] = contexts[2][:1]
    model.train()
    found = logprobs_behind(model, contexts, replies, pad=0, temperature=0.8, chunk=5)
    assert model.training
    for several, reply, scored in zip(contexts, replies, found, strict=True):
        wanted = reply_logprobs(model, several, [reply] * len(several), pad=0, temperature=0.8)
        for one, other in zip(scored, wanted, strict=True):
            np.testing.assert_allclose(one, other, atol=2e-5)


def test_the_beginning_goes_through_the_model_once() -> None:
    model, positions = llama(), []
    halves(model)
    model.model.layers[0].register_forward_hook(lambda module, given, made: positions.append(given[0].shape[:2]))
    before = list(range(20))
    logprobs_behind(model, [[[*before, 1], [*before, 2, 3, 1]]], [[5, 6]], pad=0)
    assert positions == [(1, 20), (2, 5)]


@pytest.mark.parametrize("make", [llama, gpt2, windowed, lambda: adapted("q_proj", "v_proj")])
def test_student_and_teacher_have_the_states_and_the_gradients_of_two_passes(make: Any) -> None:
    model = make()
    found = halves(model)
    assert found is not None
    contexts, replies = rows()
    for (context, hindsight, _), reply in zip(contexts, replies, strict=True):
        if not reply:
            continue
        model.eval()
        student, teacher = student_and_teacher(found, context, hindsight, reply)
        assert student.requires_grad
        assert not teacher.requires_grad
        wanted, _ = reply_states(found, [context], [reply], pad=0)
        with torch.no_grad():
            behind, _ = reply_states(found, [hindsight], [reply], pad=0)
        torch.testing.assert_close(student, wanted, rtol=0, atol=1e-5)
        torch.testing.assert_close(teacher, behind, rtol=0, atol=1e-5)
        gradients = []
        for states in (student, wanted):
            model.zero_grad()
            states.square().sum().backward()
            gradients.append([each.grad.clone() for each in model.parameters() if each.grad is not None])
        for one, other in zip(*gradients, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_a_teacher_has_no_dropout_where_its_student_has() -> None:
    model = adapted("q_proj", "v_proj").train()
    found = halves(model)
    assert found is not None
    context, hindsight, reply = [1, 2, 3], [1, 2, 9, 3], [4, 5]
    _, teacher = student_and_teacher(found, context, hindsight, reply)
    model.eval()
    wanted, _ = reply_states(found, [hindsight], [reply], pad=0)
    torch.testing.assert_close(teacher, wanted)


def test_what_contexts_begin_with() -> None:
    assert common([[1, 2, 3], [1, 2, 4]]) == 2
    assert common([[1, 2], [1, 2, 4]]) == 2
    assert common([[1], [2]]) == 0
    with pytest.raises(ValueError, match="context 1 is empty"):
        logprobs_behind(llama(), [[[1], []]], [[2]], pad=0)
