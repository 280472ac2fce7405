"""The only contact with the inside of TRL: a GRPOTrainer that plays conversations where it would generate completions,
and weighs every sampled token by the credit of its turn.

What it relies on, pinned by tests/training/test_trl_contract.py: `rollout_func(prompts, trainer)` and its `env_mask`;
`_generate_and_score_completions(inputs)`, whose `advantages` may be (B, T); `_generate_single_turn(prompt_ids, images,
fields, num_generations)`; `_metrics`, `_tokenizer`; `generation_config` and `vllm_generation.temperature`.
"""

import math
import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import Any

# Read when a trainer is made: the warning says what this file knows.
os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")

import torch
from accelerate.utils import gather_object
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl import GRPOConfig, GRPOTrainer

from usergym.environments.base import JudgedInGroups
from usergym.evaluation.statistics import combined, mean_interval
from usergym.rollouts.engine import Cast, begin, play
from usergym.training.chat import Chat
from usergym.training.courses import Course
from usergym.training.played import Credit, Member, member_of
from usergym.training.policy import Sample, Sampled, seating
from usergym.training.stage import Stage
from usergym.types import Speaker, Task, Trajectory


class ConversationTrainer(GRPOTrainer):  # type: ignore[misc]
    """`tasks` are trained on in this order, each by a whole group; `cast` seats everybody but the policy. `keep` is
    given the conversations of every step. Where more than the share `max_lost` of a step's conversations failed, the run
    saves and ends after that step (`stopped` says why)."""

    def __init__(
        self,
        model: PreTrainedModel,
        args: GRPOConfig,
        tokenizer: PreTrainedTokenizerBase,
        tasks: Sequence[tuple[Course, Task]],
        validation: Sequence[tuple[Course, Task]],
        stage: Stage,
        cast: Cast,
        credit: Credit,
        *,
        speaker: Speaker = "assistant",
        context: int = 1 << 30,
        seed: int = 0,
        max_lost: float = 0.5,
        eval_temperature: float = 0.0,
        keep: Callable[[int, Sequence[Trajectory]], None] = lambda step, played: None,
        say: Callable[[str], None] = print,
        peft_config: Any = None,
    ) -> None:
        self.tasks = tasks
        self.validation = validation
        self.stage = stage
        self.cast = cast
        self.credit = credit
        self.speaker = speaker
        self.context = context
        self.run_seed = seed
        self.max_lost = max_lost
        self.eval_temperature = eval_temperature
        self.keep = keep
        self.say = say
        self.chat = Chat(tokenizer)
        self.stopped = ""
        self._batch: list[dict[str, Any]] = []
        self._members: list[Member] = []
        super().__init__(
            model=model,
            reward_funcs=[reward],
            args=args,
            train_dataset=_dataset(tasks),
            eval_dataset=_dataset(validation) if validation else None,
            processing_class=tokenizer,
            peft_config=peft_config,
            rollout_func=_rollout,
        )

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        self._batch = inputs
        started = time.perf_counter()
        before = self.stage.times.generation, self.stage.times.waiting
        made: dict[str, Any] = super()._generate_and_score_completions(inputs)
        made["advantages"] = self._advantages(made["completion_ids"].size(1)).to(made["advantages"])
        times = self.stage.times
        generated, waited = times.generation - before[0], times.waiting - before[1]
        metrics = self._metrics["train" if self.model.training else "eval"]
        metrics["time/generation"].append(generated)
        metrics["time/waiting"].append(waited)
        metrics["time/preparation"].append(time.perf_counter() - started - generated - waited)
        return made

    def played(self) -> dict[str, list[Any] | None]:
        """What `rollout_func` gives TRL: one row for every row of the batch, in order."""
        size, count = len(self._batch), self.accelerator.num_processes
        # The place among all the conversations of the run: samples of one task differ, and those of two steps.
        first = (self.state.global_step * count + self.accelerator.process_index) * size
        starts = [(*self.tasks[row["place"]], first + place) for place, row in enumerate(self._batch)]
        conversations = self._conversations(starts)
        self.keep(self.state.global_step, conversations)
        members = [member_of(each, self.speaker, self._tokenizer.pad_token_id) for each in conversations]
        self._members = members
        self._say_what_was_lost()
        return {
            "prompt_ids": [member.prompt for member in members],
            "completion_ids": [member.completion for member in members],
            "env_mask": [member.mask for member in members],
            "logprobs": [member.logprobs for member in members] if self.use_vllm else None,
            "earned": [member.reward for member in members],
            "env": [member.env for member in members],
        }

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Plays the held-out tasks once. `eval_reward` is the mean of what was scored, with a 95 % interval; NaN where
        nothing was."""
        started = time.perf_counter()
        index, count = self.accelerator.process_index, self.accelerator.num_processes
        mine = [(*each, place) for place, each in enumerate(self.validation) if place % count == index]
        was_training = self.model.training
        self.model.eval()
        with self._temperature(self.eval_temperature):
            conversations = self._conversations(mine)
        rewards = [(each.task.env, each.task.id, each.reward(self.speaker)) for each in conversations]
        metrics = held_out(gather_object(rewards), metric_key_prefix)
        metrics[f"{metric_key_prefix}_seconds"] = time.perf_counter() - started
        self.log(metrics)
        self.model.train(was_training)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _conversations(self, starts: Sequence[tuple[Course, Task, int]]) -> list[Trajectory]:
        async def conversation(course: Course, task: Task, sample: int, ask: Sample) -> Trajectory:
            policy = seating(self.chat, ask, self.speaker, context=self.context)
            limits = self.cast.limits
            if limits.replies is None:
                limits = replace(limits, replies=course.environment.max_replies)
            seats = {"agent" if self.speaker == "assistant" else "user": policy}
            cast = replace(self.cast, limits=limits, **seats)
            return await play(course.environment, begin(task, sample, self.run_seed), cast)

        made = self.stage.play(
            [partial(conversation, *start) for start in starts],
            self._generated,
            self._agreed,
            [self._tokenizer.eos_token_id],
        )
        self._judge_groups([course for course, _, _ in starts], made)
        return made

    def _judge_groups(self, courses: Sequence[Course], made: Sequence[Trajectory]) -> None:
        judge = self.cast.services.get("judge")
        groups: dict[str, list[Trajectory]] = {}
        for course, trajectory in zip(courses, made, strict=True):
            if isinstance(course.environment, JudgedInGroups) and not trajectory.error:
                groups.setdefault(f"{course.name} {trajectory.task.id}", []).append(trajectory)
        environments = {course.name: course.environment for course in courses}
        for key, members in groups.items():
            environment = environments[key.partition(" ")[0]]
            assert isinstance(environment, JudgedInGroups)
            self.stage.run(environment.score_group(members, judge))

    def _generated(self, prompts: list[list[int]]) -> list[Sampled]:
        ids, logprobs = self._generate_single_turn(prompts, None, {}, 1)
        return [Sampled(each, logprobs[i] if logprobs else ()) for i, each in enumerate(ids)]

    def _agreed(self, waiting: int) -> int:
        """Sharded models and vLLM generate on all processes at once, the same number of prompts on each."""
        return waiting if self.accelerator.num_processes == 1 else max(gather_object([waiting]))

    def _advantages(self, length: int) -> torch.Tensor:
        """(B, length) of this process; groups may have members on others."""
        members: list[Member] = gather_object(self._members)
        groups = [place // self.num_generations for place in range(len(members))]
        advantages = self.credit.advantages(members, groups, max(len(member.completion) for member in members))
        first = self.accelerator.process_index * len(self._members)
        mine = torch.from_numpy(advantages[first : first + len(self._members), :length])
        return torch.nn.functional.pad(mine, (0, length - mine.size(1)))

    def _say_what_was_lost(self) -> None:
        lost: list[str] = gather_object([member.lost for member in self._members])
        counts = Counter(filter(None, lost))
        share = counts.total() / len(lost)
        self._metrics["train"]["lost"].append(share)
        if not counts:
            return
        told = ", ".join(f"{count} {kind}" for kind, count in counts.most_common())
        if self.accelerator.is_main_process:
            step = self.state.global_step + 1
            self.say(f"step {step}: {counts.total()} of {len(lost)} conversations are left out ({told})")
        if share > self.max_lost:
            self.stopped = f"{share:.0%} of the conversations of step {self.state.global_step + 1} were lost ({told})"
            self.control.should_save = self.control.should_training_stop = True

    @contextmanager
    def _temperature(self, temperature: float) -> Iterator[None]:
        config = self.generation_config
        self.generation_config = changed = deepcopy(config)
        changed.do_sample = temperature > 0
        changed.temperature = temperature or None
        engine = getattr(self, "vllm_generation", None)
        before = engine.temperature if engine else None
        try:
            if engine:
                engine.temperature = temperature
            yield
        finally:
            self.generation_config = config
            if engine:
                engine.temperature = before


def reward(
    prompts: list[Any],
    completions: list[Any],
    earned: list[float | None],
    env: list[str],
    log_metric: Callable[[str, float], None],
    **columns: Any,
) -> list[float | None]:
    """What TRL logs and nothing else: the credit of tokens comes from `Credit`."""
    for name in sorted(set(env)):
        scored = [each for each, other in zip(earned, env, strict=True) if other == name and each is not None]
        if scored:
            log_metric(f"env/{name}/reward", sum(scored) / len(scored))
    return earned


def held_out(rewards: Sequence[tuple[str, str, float | None]], prefix: str = "eval") -> dict[str, float]:
    """Metrics of (environment, task, reward): the mean of the environments' means with its interval, each
    environment's own, and the share that was not scored."""
    by_env: defaultdict[str, dict[str, list[float]]] = defaultdict(dict)
    for env, task, value in rewards:
        tasks = by_env[env]
        if value is not None:
            tasks.setdefault(task, []).append(value)
    metrics = {f"{prefix}_lost": sum(value is None for _, _, value in rewards) / max(1, len(rewards))}
    estimates = {env: made for env, tasks in by_env.items() if (made := mean_interval(tasks))}
    if len(by_env) > 1:
        metrics |= {f"{prefix}_env/{env}/reward": made.mean for env, made in estimates.items()}
    whole = combined((1 / len(estimates), made) for made in estimates.values()) if estimates else None
    metrics[f"{prefix}_reward"] = whole.mean if whole else math.nan
    if whole and whole.low is not None and whole.high is not None:
        metrics |= {f"{prefix}_reward_low": whole.low, f"{prefix}_reward_high": whole.high}
    return metrics


def _rollout(prompts: list[Any], trainer: ConversationTrainer) -> dict[str, list[Any] | None]:
    return trainer.played()


def _dataset(tasks: Sequence[tuple[Course, Task]]) -> Dataset:
    """What TRL repeats, shards and shows; `place` finds the task again."""
    rows = [
        {"prompt": task.opening[-1].said if task.opening else task.id, "place": place}
        for place, (_, task) in enumerate(tasks)
    ]
    return Dataset.from_list(rows)
