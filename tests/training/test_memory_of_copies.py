"""What is held beside the weights that are trained counts in the estimate."""

from pathlib import Path
from typing import Any

import pytest

from usergym.training.grpo_config import GrpoConfig
from usergym.training.memory import Load, needed
from usergym.training.sdpo_config import SdpoConfig
from usergym.training.shape import Shape

SHAPE = Shape(1_000_000, 1000, layers=2, hidden=64, inner=128, vocabulary=500, context=512, template=True)


def test_every_copy_is_as_large_as_what_is_trained() -> None:
    assert needed(SHAPE, Load(100, copies=2)) - needed(SHAPE, Load(100)) == 2 * 4_000_000
    assert needed(SHAPE, Load(100, lora_r=8, copies=1)) - needed(SHAPE, Load(100, lora_r=8)) == 4 * 8 * 1000


@pytest.mark.parametrize(
    ("choices", "copies"),
    [
        ({}, 1),
        ({"anchor": 0.0}, 0),
        ({"teacher": "ema"}, 2),
        ({"teacher": "base"}, 1),
        ({"teacher": "periodic", "anchor": 0.0}, 1),
        ({"sdpo": "legacy-online"}, 0),
        ({"estimator": "topk"}, 0),
        ({"beta": 0.1}, 2),
    ],
)
def test_the_anchor_and_every_teacher_but_the_live_one_hold_a_copy_and_base_and_anchor_share_theirs(
    choices: dict[str, Any], copies: int
) -> None:
    assert SdpoConfig("model", Path("out"), **choices).copies == copies


def test_grpo_holds_one_for_its_divergence_term_unless_an_adapter_can_be_taken_off() -> None:
    assert GrpoConfig("model").copies == 0
    assert GrpoConfig("model", beta=0.1).copies == 1
    assert GrpoConfig("model", beta=0.1, lora=True).copies == 0
