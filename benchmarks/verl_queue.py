"""verl's own worker and store around our agent loop, on a CPU: what no unit of the test suite joins.

A local Ray, verl's TransferQueue and its AgentLoopWorkerTQ play four tasks of a gym four times each (one of them is no
task, so its conversations are lost); verl fills the batch up, and its trainer's own code computes advantages with our
estimator. Compared with `turn_advantages` on what was stored. Takes about a minute and 2 GB.
"""

import os
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ["VERL_USE_EXTERNAL_MODULES"] = "usergym.training.verl"

import numpy as np
import ray
import transfer_queue as tq
import verl
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf
from tensordict import TensorDict
from transfer_queue import KVBatchMeta
from transformers import AutoTokenizer
from verl.trainer.ppo.padding_utils import upsample_batch_to_divisible_size
from verl.trainer.ppo.v1.agent_loop_tq import AgentLoopWorkerTQ
from verl.trainer.ppo.v1.trainer_base import PPOTrainer
from verl.utils import tensordict_utils
from verl.utils.dataset.rl_dataset import RLHFDataset, collate_fn
from verl.workers.rollout.replica import TokenOutput

from usergym.data.merge import task_rows
from usergym.environments.base import load
from usergym.rows import Writer
from usergym.training.credit import turn_advantages
from usergym.training.tiny import make
from usergym.training.verl_credit import runs
from usergym.training.verl_setup import VerlRun, overrides

ENV = "intention:actions=native"
SAMPLES, TASKS = 4, 4


class Policy:
    """In place of verl's rollout engine: every other conversation asks something."""

    def __init__(self, tokenizer: Any) -> None:
        self.words = [
            tokenizer.encode(f"{text}<|im_end|>", add_special_tokens=False)
            for text in ("I see.", "How much may it cost? On which day? For how many people?")
        ]
        self.known: dict[str, int] = {}

    async def generate(self, request_id: str, *, prompt_ids: list[int], sampling_params: dict[str, Any]) -> TokenOutput:
        ids = self.words[self.known.setdefault(request_id, len(self.known)) % 2]
        return TokenOutput(token_ids=ids, log_probs=[-1.0] * len(ids), extra_fields={"min_global_steps": 1})


def prepared(folder: Path) -> tuple[DictConfig, Any]:
    environment = load(ENV)
    model = make(
        folder / "model", [environment.start(next(environment.tasks("train"))).system], hidden=32, layers=1, heads=2
    )
    file = folder / "rows.parquet"
    with Writer(file, whole=True) as writer:
        for place, row in enumerate(task_rows(environment, "train", 1, TASKS)):
            writer.write(row if place else {**row, "extra_info": {**row["extra_info"], "usergym": "{}"}})
    run = VerlRun(
        str(model), (str(file),), (str(file),), envs=(ENV,), prompt=3000, response=3000, turns=4, rollouts=SAMPLES
    )
    with initialize_config_dir(str(Path(verl.__file__).parent / "trainer" / "config"), version_base=None):
        config = compose("ppo_trainer", [*overrides(run), f"+data.cache_dir={folder}/cache"])
    config.transfer_queue.enable = True
    config.transfer_queue.backend.SimpleStorage.num_data_storage_units = 1
    OmegaConf.resolve(config)
    return config, AutoTokenizer.from_pretrained(model)


def played(config: DictConfig, tokenizer: Any) -> KVBatchMeta:
    """The conversations of one step, stored; waits for verl's worker."""
    rows = RLHFDataset(list(config.data.train_files), tokenizer, config.data)
    batch = collate_fn([rows[place] for place in range(len(rows))])
    batch["uid"] = np.array([f"task{place}" for place in range(len(rows))], dtype=object)
    prompts = tensordict_utils.get_tensordict(batch)
    tensordict_utils.assign_non_tensor_data(prompts, "global_steps", 1)
    waiting = [{"is_prompt": True, "status": "pending", "global_steps": 1}] * len(rows)
    tq.kv_batch_put(keys=list(batch["uid"]), partition_id="train", tags=waiting)
    worker = AgentLoopWorkerTQ.remote(config=config, llm_client=Policy(tokenizer))
    ray.get(worker.generate_sequences.remote(prompts))
    for _ in range(120):
        time.sleep(0.5)
        items = tq.kv_list()["train"]
        states = [tag["status"] for tag in items.values() if tag.get("is_prompt")]
        if all(state in ("finished", "failure") for state in states):
            break
    assert states == ["finished"] * TASKS, states
    keys = [key for key, tag in items.items() if not tag.get("is_prompt")]
    return KVBatchMeta(partition_id="train", keys=keys, tags=[items[key] for key in keys])


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        config, tokenizer = prepared(Path(name))
        variables = {"VERL_USE_EXTERNAL_MODULES": "usergym.training.verl", "OMP_NUM_THREADS": "1"}
        ray.init(
            num_cpus=8, include_dashboard=False, object_store_memory=200_000_000, runtime_env={"env_vars": variables}
        )
        try:
            tq.init(config.transfer_queue)
            batch = played(config, tokenizer)
            conversations = len(batch.keys)
            batch = upsample_batch_to_divisible_size(batch, 3 * SAMPLES, tokenizer.eos_token_id)
            sampled = tq.kv_batch_get(keys=batch.keys, partition_id="train", select_fields=["rollout_log_probs"])
            old = TensorDict({"old_log_probs": sampled["rollout_log_probs"]}, batch_size=len(batch.keys))
            tq.kv_batch_put(keys=batch.keys, partition_id="train", fields=old, tags=batch.tags)
            PPOTrainer._compute_advantage(SimpleNamespace(config=config, kl_ctrl_in_reward=None), batch, {})
            compare(batch, conversations)
        finally:
            tq.close()
            ray.shutdown()


def compare(batch: KVBatchMeta, conversations: int) -> None:
    fields = ["advantages", "response_mask", "rm_scores"]
    stored = tq.kv_batch_get(keys=batch.keys, partition_id="train", select_fields=fields)
    masks = [mask.numpy() > 0 for mask in stored["response_mask"]]
    spans = [runs(mask) for mask in masks]
    rewards = [
        [float(row[a:b].sum()) for a, b in own] or None for row, own in zip(stored["rm_scores"], spans, strict=True)
    ]
    groups = [key.rsplit("_", 2)[0] for key in batch.keys]
    expected = turn_advantages(rewards, spans, groups, max(map(len, masks)))
    found = [row.numpy() for row in stored["advantages"]]
    worst = max(abs(row - own[: len(row)]).max() for row, own in zip(found, expected, strict=True))
    lost = sum(each is None for each in rewards[:conversations])
    print(f"{conversations} conversations, {lost} of them lost, {len(batch.keys) - conversations} rows added by verl")
    print(f"rewards of turns: {sorted({round(r, 3) for each in rewards if each for r in each})}")
    print(f"largest advantage {abs(expected).max():.3f}; largest difference from turn_advantages {worst:.1e}")
    assert worst < 1e-6 < abs(expected).max()
    assert lost == SAMPLES


if __name__ == "__main__":
    main()
