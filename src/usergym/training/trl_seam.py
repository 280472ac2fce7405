"""The only contact with the inside of TRL: a GRPOTrainer that plays conversations where it would generate completions,
and weighs every sampled token by the credit of its turn.

What it relies on, pinned by tests/training/test_trl_contract.py: `rollout_func(prompts, trainer)` and its `env_mask`;
`_generate_and_score_completions(inputs)`, whose `advantages` may be (B, T); `_generate_single_turn(prompt_ids, images,
fields, num_generations)`; `_metrics`, `_tokenizer`, `eos_token_ids`; `generation_config` (without vLLM) and
`vllm_generation.temperature` (with it); `_save_checkpoint(model, trial)`, `_determine_best_metric(metrics, trial)`.
"""

import logging
import math
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

# Read when a trainer is made: the warning says what this file knows.
os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")

import torch
from accelerate.utils import gather_object
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl import GRPOConfig, GRPOTrainer

from usergym.models.base import StopRun
from usergym.rollouts.engine import Cast, begin, play
from usergym.training.chat import Chat
from usergym.training.courses import Course
from usergym.training.held_out import held_out
from usergym.training.judged import any_judged, judge
from usergym.training.pauses import Draws, Pauses
from usergym.training.played import Credit, Member, member_of
from usergym.training.policy import Sample, Sampled, seating
from usergym.training.stage import Stage
from usergym.training.trl_figures import only_of_tokens, recount, said
from usergym.types import Speaker, Task, Trajectory

UNSCORED = "All reward functions returned None"
# Said of every conversation that was lost, with all its words; ours is one line for all of them.
logging.getLogger("trl.trainer.grpo_trainer").addFilter(lambda record: UNSCORED not in str(record.msg))


class ConversationTrainer(GRPOTrainer):  # type: ignore[misc]
    """`tasks` are trained on in this order, each by a whole group; `cast` seats everybody but the policy. `keep` is
    given the conversations of every batch, and the number of batches before it. Where more than the share `max_lost` of
    them failed, the run saves and ends when they are trained on (`stopped` says why)."""

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
        updates: int = 1,
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
        self.updates = updates
        self.max_lost = max_lost
        self.eval_temperature = eval_temperature
        self.keep = keep
        self.say = say
        self.chat = Chat(tokenizer)
        self.pauses = Pauses(updates, bool(validation) and args.eval_strategy != "no")
        self._judged = any_judged(course for course, _ in (*tasks, *validation))
        self._batch: list[dict[str, Any]] = []
        self._members: list[Member] = []
        # TRL ends a reply where the model's file says, which need not be where the template does.
        given = model.generation_config.eos_token_id
        ends = [*self.chat.end_ids, *([given] if isinstance(given, int) else given or [])]
        model.generation_config.eos_token_id = list(dict.fromkeys(ends))
        if args.use_vllm:
            stops = {"stop_token_ids": list(self.chat.end_ids)}
            args.generation_kwargs = {**(args.generation_kwargs or {}), **stops}
        super().__init__(
            model=model,
            reward_funcs=[reward],
            args=args,
            train_dataset=_dataset(tasks),
            eval_dataset=_dataset(validation) if validation else None,
            processing_class=tokenizer,
            peft_config=peft_config,
            rollout_func=_rollout,
            callbacks=[self.pauses],
        )

    @property
    def stopped(self) -> str:
        """Why the run ended before its last step; "" where it did not."""
        return self.pauses.why

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        self._batch = inputs
        started = time.perf_counter()
        before = self.stage.times.generation, self.stage.times.waiting
        made: dict[str, Any] = super()._generate_and_score_completions(inputs)
        made["advantages"] = self._advantages(made["completion_ids"].size(1)).to(made["advantages"])
        ends = {*self.eos_token_ids, self._tokenizer.pad_token_id}
        recount(self._metrics["train"], gather_object(said(self._members, ends)))
        times = self.stage.times
        generated, waited = times.generation - before[0], times.waiting - before[1]
        metrics = self._metrics["train"]
        if self.num_generations == 1:  # nothing to be alike with
            for name in ("frac_reward_zero_std", "reward_std"):
                metrics.pop(name, None)
        metrics["time/generation"].append(generated)
        metrics["time/waiting"].append(waited)
        metrics["time/preparation"].append(time.perf_counter() - started - generated - waited)
        return made

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        tokens = self.accelerator.reduce((inputs["completion_mask"] * inputs["tool_mask"]).sum().float())
        with only_of_tokens(self._metrics["train"], tokens.item()):
            loss: torch.Tensor = super()._compute_loss(model, inputs)
        return loss

    def played(self) -> dict[str, list[Any] | None]:
        """What `rollout_func` gives TRL: one row for every row of the batch, in order."""
        size, count = len(self._batch), self.accelerator.num_processes
        batch = self.state.global_step // self.updates
        # The place among all the conversations of the run: samples of one task differ, and those of two batches.
        first = (batch * count + self.accelerator.process_index) * size
        starts = [(*self.tasks[row["place"]], first + place) for place, row in enumerate(self._batch)]
        conversations = self._lived(starts)
        self.keep(batch, conversations)
        self._members = members = [self._member(each) for each in conversations]
        self._say_what_was_lost()
        return {
            "prompt_ids": [member.prompt for member in members],
            "completion_ids": [member.completion for member in members],
            "env_mask": [member.mask for member in members],
            "logprobs": [member.logprobs or [None] * len(member.completion) for member in members]
            if self.use_vllm
            else None,
            "earned": [member.reward for member in members],
            "env": [member.env for member in members],
        }

    def _lived(self, starts: Sequence[tuple[Course, Task, int]]) -> list[Trajectory]:
        """The conversations of one batch, which are learned from."""
        return self._conversations(starts, self.num_generations)

    def _member(self, trajectory: Trajectory) -> Member:
        return member_of(trajectory, self.speaker, self._tokenizer.pad_token_id)

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Plays the held-out tasks once. `eval_reward` is the mean of what was scored, with a 95 % interval; NaN where
        nothing was."""
        started = time.perf_counter()
        mine = [(*each, place) for place, each in enumerate(self.validation)]
        mine = mine[self.accelerator.process_index :: self.accelerator.num_processes]
        was_training = self.model.training
        self.model.eval()
        with self._temperature(self.eval_temperature):
            conversations = self._conversations(mine, 1)
        rewards = [(each.task.env, each.task.id, each.reward(self.speaker)) for each in conversations]
        metrics = held_out(gather_object(rewards), metric_key_prefix, self.max_lost)
        lost = [each.error.message for each in conversations if each.error]
        if self.accelerator.is_main_process and lost:
            self.say(
                f"validation: {len(lost)} of {len(conversations)} conversations are left out; the first: {lost[0]}"
            )
        metrics[f"{metric_key_prefix}_seconds"] = time.perf_counter() - started
        self.log(metrics)
        self.model.train(was_training)
        here = Path(self.args.output_dir, f"checkpoint-{self.state.global_step}")
        if here.exists() and self._determine_best_metric(metrics, None):
            # A validation that was left in the middle, made up for when the run goes on.
            self.state.best_model_checkpoint = str(here)
        self.control: Any = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _conversations(self, starts: Sequence[tuple[Course, Task, int]], group: int) -> list[Trajectory]:
        """Plays them; `group` of consecutive samples are of one task. Where a user or judge stops the run on one
        process it stops on all of them, saved as it stood before these conversations."""

        async def conversation(course: Course, task: Task, sample: int, ask: Sample) -> Trajectory:
            policy = seating(self.chat, ask, self.speaker, context=self.context)
            limits = self.cast.limits
            if limits.replies is None:
                limits = replace(limits, replies=course.environment.max_replies)
            cast = replace(self.cast, limits=limits)
            if self.speaker == "assistant":
                cast.agent = policy
            else:
                cast.user = policy
            return await play(course.environment, begin(task, sample, self.run_seed), cast)

        conversations = [partial(conversation, *start) for start in starts]
        made: list[Trajectory] = []
        stop, draws = "", Draws()
        try:
            made = self.stage.play(conversations, self._generated, self._agreed, [self._tokenizer.eos_token_id])
        except StopRun as error:
            stop = str(error)
        except KeyboardInterrupt:
            if self.accelerator.num_processes == 1:
                self._save_before(draws)
            raise
        stop = next(filter(None, gather_object([stop])), "")
        if self._judged and not stop:
            groups = [(course, sample // group) for course, _, sample in starts]
            stop = judge(groups, made, self.cast.services.get("judge"), self.stage, self.accelerator.process_index)
        if stop:
            self._save_before(draws)
            raise StopRun(stop)
        return made

    def _save_before(self, draws: Draws) -> None:
        step = self.state.global_step
        if step and step % self.updates == 0 and not Path(self.args.output_dir, f"checkpoint-{step}").exists():
            draws.restore()
            self._save_checkpoint(self.model, None)

    def _generated(self, prompts: list[list[int]]) -> list[Sampled]:
        ids, logprobs = self._generate_single_turn(prompts, None, {}, 1)
        # vLLM gives None for a token that it could not score.
        known = [[math.nan if each is None else each for each in row] for row in logprobs or ()]
        return [Sampled(each, known[i] if known else ()) for i, each in enumerate(ids)]

    def _agreed(self, waiting: int) -> int:
        """Sharded models and vLLM generate on all processes at once, the same number of prompts on each."""
        together = self.is_fsdp_enabled or self.is_deepspeed_enabled or self.use_vllm
        return max(gather_object([waiting])) if together else waiting

    def _advantages(self, length: int) -> torch.Tensor:
        """(B, length) of this process; groups may have members on others."""
        earned = gather_object([member.earned for member in self._members])
        advantages = self.credit.advantages(earned, [place // self.num_generations for place in range(len(earned))])
        first = self.accelerator.process_index * len(self._members)
        mine = torch.from_numpy(advantages[first : first + len(self._members), :length])
        return torch.nn.functional.pad(mine, (0, length - mine.size(1)))

    def _determine_best_metric(self, metrics: dict[str, float], trial: Any) -> bool:
        """A validation of which too little was scored is not the best."""
        if not math.isfinite(metrics["eval_reward"]):
            return False
        return bool(super()._determine_best_metric(metrics, trial))

    def _say_what_was_lost(self) -> None:
        lost: list[tuple[str, str]] = gather_object([(member.lost, member.why) for member in self._members])
        counts = Counter(kind for kind, _ in lost if kind)
        for kind, count in counts.items():
            self._metrics["train"][f"lost/{kind}"].append(count / len(lost))
        share = counts.total() / len(lost)
        self._metrics["train"]["lost"].append(share)
        if not counts:
            return
        told = ", ".join(f"{count} {kind}" for kind, count in counts.most_common())
        told += f"; the first: {next(why for kind, why in lost if kind)}"
        step = self.state.global_step // self.updates + 1
        if self.accelerator.is_main_process:
            self.say(f"step {step}: {counts.total()} of {len(lost)} conversations are left out ({told})")
        if share > self.max_lost:
            self.pauses.why = f"{share:.0%} of the conversations of step {step} were lost ({told})"

    @contextmanager
    def _temperature(self, temperature: float) -> Iterator[None]:
        if self.use_vllm:
            before = self.vllm_generation.temperature
            self.vllm_generation.temperature = temperature
        else:
            before = self.generation_config
            changed: Any = deepcopy(before)
            self.generation_config: Any = changed
            changed.do_sample = temperature > 0
            changed.temperature = temperature or None
        try:
            yield
        finally:
            if self.use_vllm:
                self.vllm_generation.temperature = before
            else:
                self.generation_config = before


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


def _rollout(prompts: list[Any], trainer: ConversationTrainer) -> dict[str, list[Any] | None]:
    return trainer.played()


def _dataset(tasks: Sequence[tuple[Course, Task]]) -> Dataset:
    """What TRL repeats, shards and shows; `place` finds the task again."""
    rows = [
        {"prompt": task.opening[-1].said if task.opening else task.id, "place": place}
        for place, (_, task) in enumerate(tasks)
    ]
    return Dataset.from_list(rows)
