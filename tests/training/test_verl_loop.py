"""The agent loop as verl runs it: built by hydra from verl's registry, fed a row of verl's own data set, sampling from
a server that stands in for verl's; its conversations are played in a real gym."""

import asyncio
import logging
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
import numpy as np
import pytest
import verl
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf
from verl.experimental.agent_loop import agent_loop
from verl.utils.dataset.rl_dataset import RLHFDataset, collate_fn
from verl.utils.tensordict_utils import list_of_dict_to_tensordict
from verl.workers.rollout.replica import TokenOutput

import usergym.training.verl  # noqa: F401
from tests.cli.terminal import command, environment
from usergym.data.formats import write_rows
from usergym.data.merge import task_rows
from usergym.environments.base import load
from usergym.models import tool_text
from usergym.rollouts.engine import Cast, begin, play, seat_oracle
from usergym.rows import Writer
from usergym.training import verl_loop
from usergym.training.tiny import tokenizer_of
from usergym.training.turns import turn_rewards
from usergym.training.verl_credit import runs
from usergym.training.verl_setup import VerlRun, overrides
from usergym.types import Task, Trajectory

CONFIG = str(Path(verl.__file__).parent / "trainer" / "config")
ENDING = "<|im_end|>"


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    worlds = [load(name) for name in ("intention", "function")]
    return tokenizer_of([each.start(next(each.tasks("train"))).system for each in worlds], vocabulary=1500)


@pytest.fixture(scope="module")
def config() -> DictConfig:
    run = VerlRun("model", (), (), prompt=6000, response=6000, turns=8)
    with initialize_config_dir(CONFIG, version_base=None):
        return compose("ppo_trainer", overrides(run))


class Server:
    """What verl's `LLMServerClient` is to an agent loop; says prepared texts. `after(n)` is called behind reply n."""

    def __init__(self, tokenizer: Any, texts: Sequence[str], after: Any = lambda place: None) -> None:
        self.tokenizer = tokenizer
        self.texts = [tokenizer.encode(text, add_special_tokens=False) for text in texts]
        self.after = after
        self.asked: list[dict[str, Any]] = []

    async def generate(self, request_id: str, *, prompt_ids: list[int], sampling_params: dict[str, Any]) -> TokenOutput:
        place = len(self.asked)
        self.asked.append({"request_id": request_id, "prompt_ids": prompt_ids, **sampling_params})
        ids = self.texts[place][: sampling_params["max_tokens"]]
        await asyncio.sleep(0)
        self.after(place)
        steps = {"min_global_steps": 3 + place, "max_global_steps": 3 + place}
        return TokenOutput(token_ids=ids, log_probs=[-0.5 - place] * len(ids), num_preempted=1, extra_fields=steps)


def loop_of(config: DictConfig, tokenizer: Any, server: Any) -> Any:
    """As verl's worker builds one for each conversation."""
    return hydra.utils.instantiate(
        agent_loop._agent_loop_registry["usergym"],
        trainer_config=agent_loop.DictConfigWrap(config),
        server_manager=server,
        tokenizer=tokenizer,
        processor=None,
        hf_model_type="llama",
        dataset_cls=RLHFDataset,
        data_config=agent_loop.DictConfigWrap(config.data),
        tools=agent_loop.ToolListWrap([]),
    )


def run(config: DictConfig, tokenizer: Any, server: Any, row: dict[str, Any], **more: Any) -> Any:
    async def played() -> Any:
        row_of = {**row, "global_steps": 7, "uid": "u", "session_id": 0, **more}
        return await loop_of(config, tokenizer, server).run({"temperature": 1.0, "logprobs": True}, **row_of)

    return asyncio.run(played())


def changed(config: DictConfig, **values: Any) -> DictConfig:
    copy = config.copy()
    for key, value in values.items():
        OmegaConf.update(copy, key.replace("__", "."), value, force_add=True)
    return copy


def row_of(task: Task) -> dict[str, Any]:
    (row,) = write_rows(begin(task, 0, 0), "verl", whole=False)
    return row


def perfect(name: str, seed: int = 0) -> tuple[Trajectory, list[str]]:
    """A conversation of the oracle, and its replies as a policy would sample them."""
    env = load(name)
    played = asyncio.run(play(env, begin(next(env.tasks("train", seed)), 0, 0), Cast(seat_oracle)))
    replies = [t.message for t in played.turns if t.speaker == "assistant" and t.message.role == "assistant"]
    said = [each for each in replies if each.content or each.tool_calls]
    return played, [tool_text.render([each])[0].content + ENDING for each in said]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What `usergym envs merge` writes, for both splits."""
    folder = tmp_path_factory.mktemp("rows")
    made = {}
    for split in ("train", "validation"):
        made[split] = folder / f"{split}.parquet"
        with Writer(made[split], whole=True) as writer:
            for name in ("intention", "function", "telepathy"):
                for row in task_rows(load(name), split, 1, 3):
                    writer.write(row)
    return made


def dataset(file: Path, tokenizer: Any, config: DictConfig, cache: Path) -> RLHFDataset:
    return RLHFDataset([str(file)], tokenizer, changed(config, data__cache_dir=str(cache)).data)


def test_verls_data_set_reads_our_merged_files_and_the_loop_plays_its_rows(
    files: dict[str, Path], tokenizer: Any, config: DictConfig, tmp_path: Path
) -> None:
    for split, file in files.items():
        rows = dataset(file, tokenizer, config, tmp_path)
        assert len(rows) == 9
        batch = collate_fn([rows[place] for place in range(9)])
        for place in (0, 3):
            row = {key: values[place] for key, values in batch.items() if key != "dummy_tensor"}
            assert row["raw_prompt"][0]["role"] == "system"
            done = run(config, tokenizer, Server(tokenizer, ["I give up." + ENDING] * 8), row)
            assert not done.extra_fields["usergym_lost"]
            assert done.extra_fields["reward_extra_info"] == {"score": 0.0, "success": 0.0, "lost": 0.0}
            task = load(row["data_source"].removeprefix("interact_")).tasks(split, 1)
            assert tokenizer.decode(done.prompt_ids).count(next(task).opening[0].said if place == 0 else "") > 0


def test_verls_data_set_reads_what_export_writes(tokenizer: Any, config: DictConfig, tmp_path: Path) -> None:
    for name in ("function", "intention"):
        played, texts = perfect(name)
        with Writer(tmp_path / f"{name}.parquet", whole=True) as writer:
            for row in write_rows(played, "verl", whole=False, parquet=True):
                writer.write(row)
        row = dataset(tmp_path / f"{name}.parquet", tokenizer, config, tmp_path)[0]
        assert row["raw_prompt"][-1]["role"] == "user"
        assert row["agent_name"] == "usergym"
        done = run(config, tokenizer, Server(tokenizer, texts), row)
        assert done.reward_score == pytest.approx(played.reward())


@pytest.mark.parametrize("name", ["intention", "function", "intention:actions=native"])
def test_a_played_conversation_is_one_row_whose_runs_are_turns_with_their_rewards(
    name: str, tokenizer: Any, config: DictConfig
) -> None:
    played, texts = perfect(name)
    server = Server(tokenizer, texts)
    done = run(changed(config, usergym__envs=[name]), tokenizer, server, row_of(played.task))
    mask = np.array(done.response_mask, dtype=bool)
    turns = runs(mask)
    assert [tokenizer.decode(done.response_ids[a:b]) for a, b in turns] == texts
    fields = done.as_dict()
    rewards = fields["rm_scores"].numpy()
    assert rewards.shape == mask.shape == (len(done.response_ids),)
    np.testing.assert_allclose(rewards[[b - 1 for _, b in turns]], turn_rewards(played)[1], atol=1e-6)
    assert rewards.sum() == pytest.approx(done.reward_score) == pytest.approx(played.reward()) != 0
    assert not rewards[~mask].any()
    # Each prompt is all that came before it, so the engine's cache and the trained row see the same ids.
    whole = done.prompt_ids + done.response_ids
    for place, asked in enumerate(server.asked):
        assert asked["prompt_ids"] == whole[: len(done.prompt_ids) + turns[place][0]]
        assert asked["max_tokens"] == 6000 - turns[place][0]
    assert len({asked["request_id"] for asked in server.asked}) == 1
    logprobs = fields["rollout_log_probs"].numpy()
    assert all((logprobs[a:b] == -0.5 - place).all() for place, (a, b) in enumerate(turns))
    assert (done.extra_fields["min_global_steps"], done.extra_fields["max_global_steps"]) == (3, 2 + len(texts))
    assert done.metrics.num_preempted == len(texts)


def test_the_turns_are_bounded_as_verl_is_told(tokenizer: Any, config: DictConfig) -> None:
    played, texts = perfect("intention")
    short = changed(config, actor_rollout_ref__rollout__multi_turn__max_assistant_turns=2)
    server = Server(tokenizer, texts)
    done = run(short, tokenizer, server, row_of(played.task))
    assert len(server.asked) == len(runs(np.array(done.response_mask) > 0)) == 2
    assert 0 < done.reward_score < played.reward()


def test_a_conversation_ends_where_its_room_does(tokenizer: Any, config: DictConfig) -> None:
    played, texts = perfect("intention")
    for room in range(len(tokenizer.encode(texts[0])) - 3, len(tokenizer.encode(texts[0])) + 40, 6):
        tight = changed(config, actor_rollout_ref__rollout__response_length=room)
        done = run(tight, tokenizer, Server(tokenizer, texts), row_of(played.task))
        assert len(done.response_ids) <= room
        assert done.response_mask[-1] == 1
        assert not done.extra_fields["usergym_lost"]


def test_a_prompt_that_tools_made_too_long_leaves_less_for_the_rest(tokenizer: Any, config: DictConfig) -> None:
    played, texts = perfect("intention")
    server = Server(tokenizer, texts)
    done = run(changed(config, actor_rollout_ref__rollout__prompt_length=10), tokenizer, server, row_of(played.task))
    assert not done.extra_fields["usergym_lost"]
    assert server.asked[0]["max_tokens"] == 6010 - len(done.prompt_ids)


def test_a_reply_has_the_length_it_is_allowed(tokenizer: Any, config: DictConfig) -> None:
    played, texts = perfect("intention")
    done = run(changed(config, usergym__reply=5), tokenizer, Server(tokenizer, texts), row_of(played.task))
    assert sum(done.response_mask) == 5
    assert done.reward_score == 0
    assert not done.extra_fields["usergym_lost"]


@contextmanager
def mock_user() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    with subprocess.Popen(
        command("mock-llm", "--port", 0, "--text", "I would like Tuesday."),
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as server:
        assert server.stdout
        try:
            yield server.stdout.readline().split()[1], server
        finally:
            server.kill()


def test_a_user_that_dies_in_the_middle_costs_its_conversation_and_is_no_zero(
    tokenizer: Any, config: DictConfig, caplog: pytest.LogCaptureFixture
) -> None:
    played, _ = perfect("intention:actions=native")
    texts = [f"And what about number {place}?{ENDING}" for place in range(8)]
    with mock_user() as (url, process):
        settings = changed(
            config,
            usergym__user_model=f"{url}/user",
            usergym__judge_model="rules",
            usergym__deadline=1.5,
            usergym__envs=["intention:actions=native,judge=rules"],
        )
        alive = run(settings, tokenizer, Server(tokenizer, texts), row_of(played.task))
        assert not alive.extra_fields["usergym_lost"]
        assert tokenizer.decode(alive.response_ids).count("I would like Tuesday.") > 1

        def dies(place: int) -> None:
            if place == 1:
                process.kill()
                process.wait()

        server = Server(tokenizer, texts, after=dies)
        with caplog.at_level(logging.WARNING):
            lost = run(settings, tokenizer, server, row_of(played.task))
    asyncio.run(verl_loop.company(verl_loop.Settings.of(settings)).close())
    assert len(server.asked) == 2
    assert lost.extra_fields["usergym_lost"] == "unavailable"
    assert lost.extra_fields["reward_extra_info"] == {"score": None, "success": None, "lost": 1.0}
    assert sum(lost.response_mask) == 0
    assert lost.as_dict()["rm_scores"].tolist() == [0.0] * len(lost.response_ids)
    (said,) = [each.getMessage() for each in caplog.records if "is left out" in each.getMessage()]
    assert "(unavailable)" in said
    assert "user:" in said
    assert "\n" not in said
    # verl stores the conversations of a batch together: what is lost must have the same columns.
    stored = list_of_dict_to_tensordict([alive.as_dict(), lost.as_dict()])
    assert [each.sum().item() for each in stored["response_mask"]] == [sum(alive.response_mask), 0]


def test_a_row_that_is_no_task_and_a_prompt_too_long_are_left_out_with_a_reason(
    tokenizer: Any, config: DictConfig, caplog: pytest.LogCaptureFixture
) -> None:
    played, texts = perfect("function")
    row = row_of(played.task)
    spoilt = {**row, "extra_info": {**row["extra_info"], "usergym": "{"}}
    foreign = {**row, "extra_info": {"index": 5}}
    unknown = {**row, "extra_info": {"env": "chess"}}
    long = changed(
        config, actor_rollout_ref__rollout__prompt_length=100, actor_rollout_ref__rollout__response_length=50
    )
    nobody = changed(config, usergym__user_model="openai/gpt-4o")
    for settings, given, told in (
        (config, spoilt, "extra_info.usergym"),
        (config, foreign, "usergym.envs names no environment"),
        (config, unknown, "no environment 'chess'"),
        (long, row, "fewer than 150 tokens"),
        (nobody, row, "set OPENAI_API_KEY"),
    ):
        caplog.clear()
        with caplog.at_level(logging.WARNING), pytest.MonkeyPatch.context() as patch:
            patch.delenv("OPENAI_API_KEY", raising=False)
            done = run(settings, tokenizer, Server(tokenizer, texts), given)
        assert done.extra_fields["usergym_lost"]
        assert sum(done.response_mask) == 0
        assert (done.extra_fields["min_global_steps"], done.extra_fields["max_global_steps"]) == (7, 7)
        assert told in caplog.text


def test_a_foreign_row_is_read_by_the_environment_that_knows_it(tokenizer: Any, config: DictConfig) -> None:
    row = {
        "data_source": "interact_function",
        "prompt": [{"role": "user", "content": "?"}],
        "reward_model": {"env_name": "FunctionGym", "id": "func-1"},
        "extra_info": {"index": 0},
    }
    given = {"id": "func-1", "rule": "a + b * c - d", "test_case": [2, 3, 4, 5], "expected_result": 9}
    settings = changed(config, usergym__envs=["intention", "function"])
    done = run(settings, tokenizer, Server(tokenizer, [f"?{ENDING}"] * 8), {**row, **given})
    assert not done.extra_fields["usergym_lost"]


def test_a_failure_of_verls_own_server_is_verls(tokenizer: Any, config: DictConfig) -> None:
    def fails(place: int) -> None:
        raise ConnectionError("the engine is gone")

    played, texts = perfect("function")
    with pytest.raises(ConnectionError, match="the engine is gone"):
        run(config, tokenizer, Server(tokenizer, texts, after=fails), row_of(played.task))


def test_a_setting_that_there_is_not_is_named(tokenizer: Any, config: DictConfig) -> None:
    with pytest.raises(ValueError, match=r"usergym settings .* `usr_model`"):
        run(changed(config, usergym__usr_model="x"), tokenizer, Server(tokenizer, []), {})


def test_samples_of_one_task_differ_and_come_back_the_same(tokenizer: Any, config: DictConfig) -> None:
    """Drawn from step, prompt and number of the sample."""
    seeds: list[int] = []

    class Noting(type(load("function"))):  # type: ignore[misc]
        def start(self, task: Task) -> Any:
            world = super().start(task)
            user = world.user
            world.user = lambda model: (seeds.append(world.seed), user(model))[1]
            return world

    played, _ = perfect("function")
    verl_loop.company.cache_clear()
    verl_loop.company(verl_loop.Settings.of(config)).environments["function"] = Noting()
    try:
        for session, step in ((0, 1), (1, 1), (0, 2), (0, 1)):
            server = Server(tokenizer, [f"?{ENDING}"] * 8)
            run(config, tokenizer, server, row_of(played.task), session_id=session, global_steps=step)
    finally:
        verl_loop.company.cache_clear()
    assert len(set(seeds[:3])) == 3
    assert seeds[3] == seeds[0]
