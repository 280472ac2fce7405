"""SDPO by whole distributions: the policy's next token is pulled towards what it would be for who knows the reaction,
at every place of a reply, and not only along the token that was sampled."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from usergym.training.divergence import chunked_divergence
from usergym.training.heads import Halves, halves, still
from usergym.training.logprobs import reply_states
from usergym.training.sdpo_rows import Asked
from usergym.training.sdpo_seam import ReactionTrainer

ROW = "row"
"""What finds a row of a batch again after TRL has shuffled and cut it."""


class WholeTrainer(ReactionTrainer):
    """The loss is a divergence; TRL's own, of advantages, has none here. One process: what TRL synchronises between
    several is its own forward pass."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        if halves(self._own) is None:
            raise ValueError(
                f"--estimator {self.sdpo.estimator} needs the model's hidden states and its head apart, which this "
                "model does not have; give --estimator sampled"
            )
        self._by_row: Mapping[int, Sequence[Asked]] = {}

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        made = super()._generate_and_score_completions(inputs)
        made[ROW] = torch.arange(len(self._members), device=made["completion_ids"].device)
        return made

    def _scored(self, asked: Sequence[Asked]) -> list[None]:  # type: ignore[override]
        """Nothing before the loss."""
        by_row = defaultdict(list)
        for each in asked:
            if not each.left_out:
                by_row[each.answered.member].append(each)
        self._by_row = by_row
        return [None] * len(asked)

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        asked = [each for row in inputs[ROW].tolist() for each in self._by_row.get(row, ())]
        found = halves(self._own)
        assert found is not None
        if not asked:
            return sum((each.sum() for each in self._own.parameters() if each.requires_grad), torch.zeros(())) * 0.0
        skip = self.sdpo.ignore_first_k or 0
        with self.accelerator.autocast():
            kept = torch.cat([torch.arange(len(each.answered.reply.ids)) >= skip for each in asked])
            kept = kept.to(found.weight.device)
            hidden, weight, bias = self._taught(found, asked)
            own, _ = self._states(found, asked, hindsight=False)
            apart = chunked_divergence(
                own[kept],
                found.weight,
                hidden[kept],
                weight,
                kind=self.sdpo.divergence,
                alpha=self.sdpo.alpha,
                top_k=self.sdpo.top_k if self.sdpo.estimator == "topk" else None,
                student_bias=found.bias,
                teacher_bias=bias,
                temperature=self.temperature,
            )
        self._metrics["train"]["sdpo/divergence"].append(float(apart.detach().mean()) if len(apart) else 0.0)
        counts = torch.tensor([max(0, len(each.answered.reply.ids) - skip) for each in asked])
        rows = torch.tensor([each.answered.member for each in asked]).repeat_interleave(counts)
        return self._weighed(apart, rows.to(apart.device), inputs)

    def _taught(self, found: Halves, asked: Sequence[Asked]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        with self.teacher.seated(self._own), torch.no_grad(), still(self._own):
            hidden, _ = self._states(found, asked, hindsight=True)
            # The parameters will hold the policy's weights again.
            return hidden, found.weight.detach(), None if found.bias is None else found.bias.detach()

    def _states(self, found: Halves, asked: Sequence[Asked], hindsight: bool) -> tuple[torch.Tensor, torch.Tensor]:
        contexts = [(each.hindsight or []) if hindsight else each.answered.reply.context for each in asked]
        ids = [each.answered.reply.ids for each in asked]
        return reply_states(found, contexts, ids, pad=self._tokenizer.pad_token_id)

    def _weighed(self, apart: torch.Tensor, rows: torch.Tensor, inputs: Mapping[str, Any]) -> torch.Tensor:
        """As TRL weighs the tokens of its losses `dapo` and `grpo`: `apart` (N,), each of a row of the batch, (N,)."""
        if self.loss_type == "dapo":
            return apart.sum() / inputs["num_items_in_batch"].clamp(min=1)
        count = rows.bincount(minlength=1)[rows]
        return (apart / count).sum() / len(inputs[ROW]) / self.current_gradient_accumulation_steps
