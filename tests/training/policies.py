"""A model of a few thousand weights that plays the orchard, made once for all tests of a process."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.orchard import ASKED, FRUIT, OrchardWorld
from usergym.training import checkpoints, tiny


def grown(folder: Path, **sizes: Any) -> Path:
    """A model that answers everything by one to three fruit, with every reply about as likely as any other."""
    trees = [f"tree-{number}. {line}" for number in range(40) for line in ASKED]
    sizes = {"vocabulary": 340, "hidden": 32, "layers": 2, "heads": 2, "context": 256, **sizes}
    tiny.make(folder, [*trees, *(f" {word}" for word in FRUIT), OrchardWorld.system], **sizes)
    model, tokenizer = checkpoints.load(str(folder))
    draws = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(60):
        rows, masks = zip(*(_example(tokenizer, trees, draws) for _ in range(16)), strict=True)
        ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=tokenizer.pad_token_id)
        labels = torch.nn.utils.rnn.pad_sequence(masks, batch_first=True, padding_value=-100)
        model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return checkpoints.save(model, tokenizer, folder)


def _example(tokenizer: Any, trees: list[str], draws: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    def draw(below: int) -> int:
        return int(torch.randint(below, (), generator=draws))

    said = " ".join(FRUIT[draw(len(FRUIT))] for _ in range(1 + draw(3)))
    messages = [
        {"role": "system", "content": OrchardWorld.system},
        {"role": "user", "content": trees[draw(len(trees))]},
    ]
    told = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    before = tokenizer(told, add_special_tokens=False)["input_ids"]
    own = tokenizer(f"{said}<|im_end|>", add_special_tokens=False)["input_ids"]
    return torch.tensor(before + own), torch.tensor([-100] * len(before) + own)


_made: list[Path] = []


@pytest.fixture(scope="session")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model's folder, made once."""
    if not _made:
        _made.append(grown(tmp_path_factory.mktemp("policy")))
    return _made[0]
