"""A ConversationTrainer that learns from how replies are taken: the advantage of a sampled token is what the reaction
adds to its log-probability."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.utils import gather_object

from usergym.training.beginnings import logprobs_behind
from usergym.training.courses import Course
from usergym.training.divergence import reply_logprobs
from usergym.training.played import Member, member_of
from usergym.training.reactions import replies
from usergym.training.sdpo_config import SdpoConfig
from usergym.training.sdpo_rows import Answered, Asked, Planner
from usergym.training.signal import Floats, Scored, Signal, summary
from usergym.training.teachers import Teacher
from usergym.training.tokens import only_row
from usergym.training.trl_seam import ConversationTrainer
from usergym.types import Task, Trajectory

SHARED_FROM = 20_000_000
"""Parameters from which reading once what contexts have in common pays, though replies are then scored one by one."""
SUSPICIOUS = 4
"""So many reactions that are all alike are worth a word."""


class ReactionTrainer(ConversationTrainer):
    """`record` is given a line for every reply of a batch: what reaction it was judged by, in which template, and what
    the signal was."""

    recorded = False
    """Nothing that is learned from is played, so what is wrong with it is wrong with the data."""

    def __init__(
        self,
        model: Any,
        *arguments: Any,
        sdpo: SdpoConfig,
        record: Callable[[Sequence[Mapping[str, Any]]], None] = lambda lines: None,
        **more: Any,
    ) -> None:
        self.sdpo = sdpo
        self.record = record
        super().__init__(model, *arguments, **more)
        window = getattr(model.config, "max_position_embeddings", None) or 1 << 30
        self.planner = Planner(self.chat, sdpo, window)
        self.signal = Signal(
            contrast=sdpo.control != "none",
            gate=sdpo.gate,
            ignore_first_k=sdpo.ignore_first_k or 0,
            centring=sdpo.centring or "none",
            clip=sdpo.signal_clip,
            anchor=sdpo.anchor or 0.0,
        )
        self.teacher = Teacher(sdpo.teacher, self._own, sdpo.ema_rate, sdpo.renew_every)
        self.began = self.teacher if sdpo.teacher == "base" else Teacher("base" if sdpo.anchor else "live", self._own)
        self.add_callback(self.teacher)
        self._trajectories: list[Trajectory] = []
        self._starts: Sequence[tuple[Course, Task, int]] = ()
        self._learned = torch.zeros(0)
        """Which tokens of the batch are learned from, (B, length of the completions)."""
        self._said: set[str] = set()
        self._heard = "", 0, 0
        """The one reaction of the last steps, how many replies got it, and in how many steps."""

    def train(self, resume_from_checkpoint: str | bool | None = None, *arguments: Any, **more: Any) -> Any:
        if isinstance(resume_from_checkpoint, str):
            self.teacher.resume(Path(resume_from_checkpoint))
        return super().train(resume_from_checkpoint, *arguments, **more)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """The teacher first: a checkpoint is whole when its last file is there, which is not the teacher's."""
        if self.accelerator.is_main_process:
            self.teacher.save(Path(self.args.output_dir, f"checkpoint-{self.state.global_step}"))
        super()._save_checkpoint(model, trial)

    def _lived(self, starts: Sequence[tuple[Course, Task, int]]) -> list[Trajectory]:
        self._starts = starts
        self._trajectories = super()._lived(starts)
        return self._trajectories

    def _member(self, trajectory: Trajectory) -> Member:
        return member_of(trajectory, self.speaker, self._tokenizer.pad_token_id, scored=False)

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        made = super()._generate_and_score_completions(inputs)
        # TRL takes means over what its mask keeps, and a token that nothing is said about is part of no mean.
        made["tool_mask"] = made["tool_mask"] * self._learned.to(made["tool_mask"])
        made["num_items_in_batch"] = self.accelerator.gather((made["completion_mask"] * made["tool_mask"]).sum()).sum()
        return made

    def _advantages(self, length: int) -> torch.Tensor:
        answered = self._answered()
        offers = gather_object([each.offer() for each in answered])
        asked = self.planner.plan(answered, offers)
        scored = self._scored(asked)
        here = self.accelerator.process_index
        pairs = list(zip(asked, scored, strict=True))
        mine = [Told(_group(each), each.reaction, each.left_out, row, here) for each, row in pairs]
        everybody: list[Told] = gather_object(mine)
        self._tell(everybody)
        made = self.signal.advantages([each.row for each in everybody], [each.group for each in everybody])
        advantages = [row for each, row in zip(everybody, made, strict=True) if each.process == here]
        out = torch.zeros(len(self._members), length)
        self._learned = torch.full_like(out, float(self.sdpo.reward_weight > 0))
        for (each, row), signal in zip(pairs, advantages, strict=True):
            if each.left_out:
                continue
            place = each.answered.member, slice(each.answered.start, each.answered.start + len(each.answered.reply.ids))
            self._learned[place] = torch.maximum(self._learned[place], self._kept(each, row))
            if signal is not None:
                out[place] = torch.from_numpy(signal).to(out)
        if self.sdpo.reward_weight:
            out += self.sdpo.reward_weight * super()._advantages(length)
        tasks = [task for _, task, _ in self._starts]
        self.record([_line(each, tasks[each.answered.member], row, self.sdpo) for each, row in pairs])
        return out

    def _kept(self, asked: Asked, row: Scored | None) -> torch.Tensor:
        """Which tokens of a reply are learned from, (T,): the anchor holds all of them."""
        places = torch.arange(len(asked.answered.reply.ids))
        if self.sdpo.anchor:
            return torch.ones(len(places))
        if row is None:
            return (places >= (self.sdpo.ignore_first_k or 0)).float()
        return torch.from_numpy(self.signal.kept(row)).float()

    def _answered(self) -> list[Answered]:
        found = []
        for place, (trajectory, member) in enumerate(zip(self._trajectories, self._members, strict=True)):
            if member.lost:
                continue
            row = only_row(trajectory, self.speaker)
            course, task, sample = self._starts[place]
            tools = course.environment.start(task).tools(self.speaker)
            begins, group = row.spans[0].start, f"{course.name}/{task.id}"
            for number, reply in enumerate(replies(trajectory, row, self.speaker)):
                found.append(Answered(place, number, sample, group, reply, tools, reply.start - begins))
        return found

    def _scored(self, asked: Sequence[Asked]) -> list[Scored | None]:
        """At the temperature of the policy."""
        there = [each for each in asked if not each.left_out]
        ids = [each.answered.reply.ids for each in there]
        plain = [[each.answered.reply.context] for each in there]
        informed = [[each.hindsight or [], *([each.control] if each.control else [])] for each in there]
        if self.teacher.kind == "live":
            scores = self._logprobs([[*x, *o] for x, o in zip(plain, informed, strict=True)], ids)
        else:
            scores = self._logprobs(plain, ids)
            with self.teacher.seated(self._own):
                taught = self._logprobs(informed, ids)
            scores = [[*x, *o] for x, o in zip(scores, taught, strict=True)]
        reference: list[list[Floats]] = []
        if self.sdpo.anchor:
            with self.began.seated(self._own):
                reference = self._logprobs(plain, ids)
        made = {
            id(each): Scored(x, o, c[0] if c else None, reference[n][0] if reference else None)
            for n, (each, (x, o, *c)) in enumerate(zip(there, scores, strict=True))
        }
        return [made.get(id(each)) for each in asked]

    def _logprobs(self, contexts: Sequence[Sequence[list[int]]], ids: Sequence[list[int]]) -> list[list[Floats]]:
        """Of each reply behind each of its contexts."""
        pad, temperature = self._tokenizer.pad_token_id, self.temperature
        with self.accelerator.autocast():
            if self._own.num_parameters() >= SHARED_FROM:
                return logprobs_behind(self._own, contexts, ids, pad=pad, temperature=temperature)
            flat = [context for several in contexts for context in several]
            told = [reply for several, reply in zip(contexts, ids, strict=True) for _ in several]
            rows = self.args.per_device_train_batch_size
            found = iter(reply_logprobs(self._own, flat, told, pad=pad, rows=rows, temperature=temperature))
            return [[next(found) for _ in several] for several in contexts]

    @property
    def _own(self) -> Any:
        return self.accelerator.unwrap_model(self.model)

    def _tell(self, everybody: Sequence["Told"]) -> None:
        """Figures of all processes."""
        metrics = self._metrics["train"]
        if self.sdpo.estimator == "sampled":
            told = summary(self.signal, [each.row for each in everybody], [each.group for each in everybody])
            for name, value in asdict(told).items():
                if value is not None:
                    metrics[f"sdpo/{name}"].append(float(value))
        left_out = Counter(each.left_out for each in everybody if each.left_out)
        for why, count in left_out.items():
            metrics[f"sdpo/left_out/{why}"].append(count / len(everybody))
        heard = [each.reaction for each in everybody if each.reaction]
        if heard:
            metrics["sdpo/distinct_reactions"].append(len(set(heard)) / len(heard))
            self._compare(heard)
        if everybody and left_out.total() == len(everybody):
            why = ", ".join(f"{count} {each}" for each, count in left_out.most_common())
            more = "; a reply that is cut gets no reaction, so raise --max-tokens"
            more = more if left_out["cut"] and not self.recorded else ""
            self._say_once("nothing", f"a step had nothing to learn from: all its replies are left out ({why}){more}")

    def _compare(self, heard: Sequence[str]) -> None:
        """A step may have too few reactions for a word; several of them that are alike have not."""
        said, count, steps = self._heard
        if len(set(heard)) > 1:
            self._heard = "", 0, 0
            return
        before = (count, steps) if heard[0] == said else (0, 0)
        count, steps = before[0] + len(heard), before[1] + 1
        self._heard = heard[0], count, steps
        if count >= SUSPICIOUS:
            self._say_once(
                "alike",
                f"all {count} reactions of {'a step' if steps == 1 else f'{steps} steps in a row'} are the same "
                f"({heard[0][:60]!r}): they say nothing of any reply; look at "
                + ("what stands in the data" if self.recorded else "who plays the user"),
            )

    def _say_once(self, what: str, text: str) -> None:
        if self.accelerator.is_main_process and what not in self._said:
            self.say(text)
        self._said.add(what)


@dataclass(frozen=True, slots=True)
class Told:
    """What other processes need to know of a reply."""

    group: tuple[str, int]
    """Its siblings: the replies to the same task at the same place in the conversation."""
    reaction: str
    left_out: str
    row: Scored | None
    process: int


def _group(asked: Asked) -> tuple[str, int]:
    return asked.answered.group, asked.answered.place


def _line(asked: Asked, task: Task, row: Scored | None, config: SdpoConfig) -> dict[str, Any]:
    answered = asked.answered
    told = {
        "sample": answered.sample,
        "task": task.id,
        "turn": answered.reply.turn,
        "template": config.template,
        "teacher": config.teacher,
        "tokens": len(answered.reply.ids),
        "reaction": asked.reaction,
        "reaction_to": asked.source,
        "left_out": asked.left_out,
    }
    if row is not None and len(row.policy):
        told["effect"] = float(np.mean(row.teacher - row.policy))
        if row.control is not None:
            told["control"], told["control_effect"] = asked.control_said, float(np.mean(row.control - row.policy))
    return told
