"""GRPO runs of a tiny model, from their settings to what they leave."""

import json
from collections import Counter
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.training.orchard import Orchard
from tests.training.orchards import course, metrics, settings, steps, trained, watched
from tests.training.policies import policy
from usergym.models.base import StopRun
from usergym.rollouts.store import RunRefused
from usergym.training import checkpoints
from usergym.training.credit import turn_advantages
from usergym.training.grpo_config import GrpoConfig
from usergym.training.played import Credit, Member, member_of
from usergym.types import Trajectory

__all__ = ["policy"]


def gradient_by_hand(policy: Path, played: list[Trajectory], group: int) -> torch.Tensor:
    """Of minus the sum of advantage x log-probability over all sampled tokens, divided by their number; one
    conversation at a time, without padding."""
    model, tokenizer = checkpoints.load(str(policy))
    members = [member_of(each, "assistant", tokenizer.pad_token_id) for each in played]
    longest = max(len(member.completion) for member in members)
    advantages = turn_advantages(
        [member.earned.rewards for member in members],
        [member.earned.spans for member in members],
        [place // group for place in range(len(members))],
        longest,
    )
    total = sum(sum(member.mask) for member in members)
    for member, row in zip(members, advantages, strict=True):
        ids = torch.tensor(member.prompt + member.completion)
        scores = model(input_ids=ids[None, :-1]).logits[0].log_softmax(-1)
        own = scores.gather(1, ids[1:, None])[len(member.prompt) - 1 :, 0]
        loss = -(own * torch.tensor(row[: len(own)]) * torch.tensor(member.mask)).sum() / total
        loss.backward()
    return torch.cat([weights.grad.flatten() for weights in model.parameters()])


def test_neither_packing_nor_padding_changes_the_gradient_which_is_that_of_the_formula(
    policy: Path, tmp_path: Path
) -> None:
    gradients, played = {}, []
    for micro in (8, 4, 2):
        with watched() as seen:
            config = settings(policy, tmp_path / str(micro), steps=1, micro_batch=micro, max_grad_norm=1e9)
            trained(config, course(Orchard(asks=3)))
        (gradients[micro],) = seen.gradients
        assert len(seen.passes) == 8 // micro
        played.append([[turn.tokens for turn in each.turns] for each in seen.played[0]])
    assert played[0] == played[1] == played[2]
    lengths = {len(member_of(each, "assistant", 0).completion) for each in seen.played[0]}
    assert len(lengths) > 3, "conversations of one length have no padding"
    wanted = gradient_by_hand(policy, seen.played[0], 4)
    assert wanted.norm() > 1e-3
    for found in gradients.values():
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5 * wanted.norm().item())


def test_a_run_of_two_environments_leaves_all_that_it_promises(policy: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with watched() as seen:
        done = trained(
            settings(policy, out, steps=6, prompts=3, eval_every=2, validation=8, keep=1, track=("tensorboard",)),
            course(Orchard(), weight=2.0, held_out=5),
            course(Orchard(letter="e"), name="meadow", held_out=3),
        )
    tasks = [task.id for played in seen.played for task in (each.task for each in played)]
    shares = Counter(type(each).__name__ + each.letter for each in _environments(seen.trainers[0].tasks))
    assert shares == {"Orcharda": 12, "Orcharde": 6}
    held_out = {task.id for _, task in seen.trainers[0].validation}
    assert len(held_out) == 5
    assert not held_out & set(tasks)

    lines = metrics(out)
    assert [line["step"] for line in lines if "eval_reward" in line] == [0, 2, 4, 6]
    assert len(steps(out)) == 6
    assert all("env/orchard/reward" in line for line in lines if "reward" in line)
    assert all(
        {"time/generation", "time/waiting", "time/preparation", "lost"} <= {*line} for line in lines if "loss" in line
    )

    best = max(steps(out, "eval_reward").items() - {(0, steps(out, "eval_reward")[0])}, key=lambda each: each[1])
    assert done.best == best[1]
    kept = sorted(path.name for path in (out / "checkpoints").glob("checkpoint-*"))
    assert {f"checkpoint-{best[0]}", "checkpoint-6"} <= {*kept}
    assert len(kept) == 2, "one besides the best"
    assert same(out / "model", out / "checkpoints" / f"checkpoint-{best[0]}")
    _, tokenizer = checkpoints.load(str(out))
    assert tokenizer.chat_template
    assert list((out / "tensorboard").rglob("events.*"))

    told = [msgspec.json.decode(line, type=Trajectory) for line in (out / "trajectories.jsonl").open("rb")]
    assert [each.sample for each in told] == list(range(72))
    assert [each.turns for each in told] == [each.turns for played in seen.played for each in played]
    config = json.loads((out / "config.json").read_text())
    assert {"torch", "trl", "transformers"} <= {*config["starts"][0]["versions"]}
    assert config["identity"]["grpo"]["group"] == 4

    again = trained(
        settings(policy, out, steps=6, prompts=3, eval_every=2, validation=8, keep=1, track=("tensorboard",)),
        course(Orchard(), weight=2.0, held_out=5),
        course(Orchard(letter="e"), name="meadow", held_out=3),
    )
    assert again.model == out / "model", "a run that is done has nothing left to do"
    with pytest.raises(RunRefused, match=r"grpo.steps was 6, now 7"):
        trained(
            settings(policy, out, steps=7, prompts=3, eval_every=2, validation=8),
            course(Orchard(), weight=2.0, held_out=5),
            course(Orchard(letter="e"), name="meadow", held_out=3),
        )


def _environments(tasks: Any) -> list[Orchard]:
    return [each.environment for each, _ in tasks]


def same(one: Path, other: Path) -> bool:
    weights, others = (load_file(folder / "model.safetensors") for folder in (one, other))
    return weights.keys() == others.keys() and all(weights[name].equal(others[name]) for name in weights)


def test_an_adapter_is_trained_beside_its_base_and_merged_for_others(policy: Path, tmp_path: Path) -> None:
    before = load_file(policy / "model.safetensors")
    out = tmp_path / "run"
    done = trained(settings(policy, out, lora=True, lora_r=4, learning_rate=3e-2, eval_every=1), course(held_out=2))
    assert done.model is not None
    assert all(before[name].equal(each) for name, each in load_file(policy / "model.safetensors").items())
    merged = load_file(out / "model" / "model.safetensors")
    assert merged.keys() == before.keys()
    assert not same(out / "model", policy)
    adapter = load_file(out / "adapter" / "adapter_model.safetensors")
    assert adapter
    assert all("lora" in name for name in adapter)
    whole, _ = checkpoints.load(str(out / "adapter"), trainable=False)
    for name, each in whole.state_dict().items():
        if name in merged:
            torch.testing.assert_close(each, merged[name])
    # An adapter is a checkpoint from which one can train on.
    again = trained(settings(out / "adapter", tmp_path / "again", steps=1, lora=True))
    assert again.steps == 1


def test_several_updates_are_made_of_one_batch_and_a_run_of_them_resumes(policy: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with watched() as seen:
        done = trained(settings(policy, out, steps=3, updates=2, micro_batch=2, eval_every=1), course(held_out=2))
    assert done.steps == 3
    assert len(seen.played) == 3
    assert len(seen.gradients) == 6
    assert "old_per_token_logps" in seen.passes[0]
    assert [json.loads(line)["sample"] for line in (out / "trajectories.jsonl").open()] == list(range(24))


def test_one_user_who_fails_leaves_the_others_the_credit_they_would_have_without_him(
    policy: Path, tmp_path: Path
) -> None:
    said: list[str] = []
    with watched() as seen:
        trained(settings(policy, tmp_path, steps=1), course(Leaky(1, 6)), say=said.append)  # 0 is looked at, not played
    played, batch = seen.played[0], seen.batches[0]
    lost = [place for place, each in enumerate(played) if each.error]
    assert lost == [0, 5]
    assert not batch["advantages"][lost].any()
    assert not batch["tool_mask"][lost].ne(0)[:, :1].any()
    members: list[Member] = [member_of(each, "assistant", 0) for each in played]
    for group in (range(4), range(4, 8)):
        sound = [place for place in group if place not in lost]
        alone = Credit().advantages([members[place].earned for place in sound], ["one"] * len(sound))
        found = batch["advantages"][sound].numpy()[:, : alone.shape[1]]
        np.testing.assert_allclose(found, alone[:, : found.shape[1]], atol=1e-6)
        assert np.abs(alone).max() > 0
    assert steps(tmp_path, "lost") == {1: 0.25}
    (line,) = said
    assert line.startswith("step 1: 2 of 8 conversations are left out (2 environment; the first: ConnectionError at ")
    assert steps(tmp_path, "lost/environment") == {1: 0.25}


@pytest.mark.parametrize(("replies", "tokens"), [(2, 12), (1, 1)])
def test_conversations_that_were_lost_are_in_no_mean_of_lengths_and_entropy(
    policy: Path, tmp_path: Path, replies: int, tokens: int
) -> None:
    with watched() as seen:
        config = settings(policy, tmp_path, steps=1, max_tokens=tokens, micro_batch=8)
        trained(config, course(Leaky(1, 6, asks=replies, when="user")))
    assert [place for place, each in enumerate(seen.played[0]) if each.error] == [0, 5]
    model, tokenizer = checkpoints.load(str(policy))
    members = [member_of(each, "assistant", tokenizer.pad_token_id) for each in seen.played[0]]
    sound = [member for member in members if not member.lost]
    lengths = [sum(member.mask) for member in sound]
    entropies = []
    for member in sound:
        scores = model(input_ids=torch.tensor([member.prompt + member.completion])).logits[0, :-1].log_softmax(-1)
        own = torch.tensor([0] * (len(member.prompt) - 1) + member.mask).bool()
        entropies += (-(scores.exp() * scores).sum(-1))[own].tolist()
    (line,) = (each for each in metrics(tmp_path) if "loss" in each)
    assert line["entropy"] == pytest.approx(np.mean(entropies), rel=1e-4)
    whole = [length for length, each in zip(lengths, sound, strict=True) if each.completion[-1] == _end(tokenizer)]
    for name, wanted in (("", lengths), ("terminated_", whole)):
        found = [line.get(f"completions/{kind}_{name}length") for kind in ("mean", "min", "max")]
        assert found == pytest.approx([np.mean(wanted), min(wanted), max(wanted)] if wanted else [None] * 3)
    assert line["completions/clipped_ratio"] == pytest.approx(1 - len(whole) / 6)


def _end(tokenizer: Any) -> int:
    return int(tokenizer.convert_tokens_to_ids("<|im_end|>"))


def test_where_nothing_was_played_there_is_no_figure_of_it(policy: Path, tmp_path: Path) -> None:
    """All of the first step, and of the second all but one, so that of four passes three are of nothing."""
    entropies = []
    for micro in (2, 8):
        out = tmp_path / str(micro)
        config = settings(policy, out, steps=2, max_lost=1.0, micro_batch=micro)
        trained(config, course(Leaky(*range(1, 16), when="user")))
        assert steps(out, "lost") == {1: 1.0, 2: 0.875}
        first = next(line for line in metrics(out) if line["step"] == 1)
        assert not [name for name in first if name.startswith(("completions/", "clip_ratio/", "entropy", "reward"))]
        entropies.append(steps(out, "entropy")[2])
    assert entropies[0] == pytest.approx(entropies[1], rel=1e-4)


class Leaky(Orchard):
    """The worlds that are started at these places break in the middle."""

    def __init__(self, *broken: int, asks: int = 2, when: str = "assistant") -> None:
        super().__init__(asks)
        self.when = when
        self.broken = broken
        self.started = 0

    def start(self, task: Any) -> Any:
        world = super().start(task)
        self.started += 1
        if self.started - 1 in self.broken:
            hears = world.hears

            async def broken(speaker: Any, words: str) -> None:
                await hears(speaker, words)
                if speaker == self.when:
                    raise ConnectionError("the line is dead")

            world.hears = broken
        return world


def test_where_too_much_is_lost_the_run_saves_and_stops_and_goes_on_when_it_is_mended(
    policy: Path, tmp_path: Path
) -> None:
    environment = Leaky(5, 8)  # the first is looked at, the next two are of the validation before the first step
    out = tmp_path / "run"
    config = settings(policy, out, steps=3, max_lost=0.2, eval_every=2)
    done = trained(config, course(environment, held_out=2))
    assert done.model is None
    assert done.stopped.startswith("25% of the conversations of step 1 were lost (2 environment; the first: ")
    assert (out / "checkpoints" / "checkpoint-1" / "trainer_state.json").exists()
    said: list[str] = []
    done = trained(config, course(environment, held_out=2), say=said.append)
    assert said == ["going on from step 1"]
    assert done.model == out / "model"
    assert [*steps(out)] == [1, 2, 3]


def test_a_user_who_stops_the_run_costs_it_no_step_and_no_validation(policy: Path, tmp_path: Path) -> None:
    """Two are held out, eight are played in a step: 13 is of the second step, 19 of the validation behind it, 29 of the
    last validation."""
    trained(settings(policy, tmp_path / "whole", steps=3, eval_every=2), course(held_out=2))
    for stops, reached in ((13, 1), (19, 2), (29, 3)):
        out = tmp_path / str(stops)
        config = settings(policy, out, steps=3, eval_every=2)
        with pytest.raises(StopRun, match="the budget is spent"):
            trained(config, course(Spent(stops), held_out=2))
        assert (out / "checkpoints" / f"checkpoint-{reached}" / "trainer_state.json").exists()
        trained(config, course(held_out=2))
        for name in ("reward", "loss", "eval_reward"):
            assert steps(out, name) == steps(tmp_path / "whole", name), (stops, name)
        assert same(out / "model", tmp_path / "whole" / "model")


class Spent(Orchard):
    """Its users stop the run once so many worlds were started."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.left = after

    def start(self, task: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise StopRun("the budget is spent")
        return super().start(task)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"group": 1}, "--group is 1; a conversation is judged by the others of its task, so give 2 or more"),
        ({"prompts": 0}, "--prompts is 0; give 1 or more"),
        ({"temperature": 0.0}, "--temperature is 0.0; give more than 0"),
        ({"max_lost": 1.5}, "--max-lost is 1.5; give a share from 0 to 1"),
        ({"save_every": 3, "eval_every": 2}, "--save-every is 3, --eval-every 2; give a multiple"),
        ({"learning_rate": float("nan")}, "--learning-rate is nan; give more than 0"),
        ({"top_p": 0.0}, "--top-p is 0.0; give more than 0, at most 1"),
    ],
)
def test_settings_that_cannot_work_are_refused_when_they_are_made(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        GrpoConfig("model", Path("out"), **given)


def test_credit_that_cannot_be_computed_is_refused_when_it_is_made() -> None:
    with pytest.raises(ValueError, match=r"gamma is 2.0; give a number from 0 to 1"):
        Credit(gamma=2.0)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"micro_batch": 3}, "8 conversations a step .* cannot be cut into 1 update"),
        ({"max_length": 10}, "a conversation may have 10 tokens and one reply 12; give a larger --max-length"),
        ({"track": ("paper",)}, "no tracker 'paper'; there are console"),
        ({"speaker": "user"}, "nobody plays the agent; give --agent-model"),
        ({"vllm": "colocate"}, "--vllm colocate needs vllm"),
        ({"micro_batch": 8, "prompts": 10**7, "max_length": 2**28}, "needs about .* GiB, and .* are free"),
    ],
)
def test_settings_that_cannot_work_here_are_refused_before_anything_is_written(
    policy: Path, tmp_path: Path, given: dict[str, Any], told: str
) -> None:
    if "max_length" in given and given["max_length"] > 1000:
        stretched = checkpoints.check(str(policy)).shape
        assert stretched is not None
        assert stretched.context == 256
        policy = _long(policy, tmp_path / "long")
    with pytest.raises((ValueError, LookupError), match=told):
        trained(settings(policy, tmp_path / "run", **given))
    assert not (tmp_path / "run").exists()


def _long(policy: Path, folder: Path) -> Path:
    """The same model, said to be made for very long conversations."""
    folder.mkdir()
    for path in policy.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 2**28}))
    return folder


def test_an_environment_without_tasks_or_with_shared_ones_is_refused(policy: Path, tmp_path: Path) -> None:
    config = settings(policy, tmp_path / "run")
    with pytest.raises(ValueError, match=r"environment orchard has no training tasks; .* or give --tasks FILE"):
        trained(config, course(Orchard(held_out=True)))
    shared = list(islice(Orchard().tasks("train"), 3))
    with pytest.raises(ValueError, match="task tree-0 of orchard is in training, and its group 'tree-0' in validation"):
        trained(config, course_with(shared))
    with pytest.raises(ValueError, match=r"the weight of orchard is 0.0; give more than 0"):
        trained(config, course(weight=0.0))


def course_with(validation: Any) -> Any:
    return replace(course(), validation=validation)
