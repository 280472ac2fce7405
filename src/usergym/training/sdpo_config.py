"""The settings of an SDPO run, and what is wrong with them before any compute. Imports no torch."""

from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any, Literal

from usergym.training.grpo_config import GrpoConfig
from usergym.training.hindsight import template_of
from usergym.training.run_folder import RunFolder

Published = Literal["usergym", "legacy-online", "legacy-offline"]

STEPS, MOST = 100, 10**6
TOP_K = 20

FORMS: dict[Published, dict[str, Any]] = {
    "usergym": {"centring": "none", "ignore_first_k": 0, "template": "neutral", "control": "unrelated", "anchor": 0.5},
    "legacy-online": {"centring": "sequence", "ignore_first_k": 0, "template": "neutral", "control": "none"},
    "legacy-offline": {"centring": "none", "ignore_first_k": 2, "template": "improve", "control": "none"},
}
"""What each form says of the choices that are not given. Ours is what docs/sdpo_signal.md and
docs/results/learning_sdpo.md find for: any remark behind a request moves a model, whatever it says, and a control takes
that away; without an anchor the policy soon forgets how to answer at all."""
WHOLE = {"control": "none", "anchor": 0.0}
"""Of whole distributions, in place of that."""


@dataclass(frozen=True)
class SdpoConfig(GrpoConfig):
    """Lengths are in tokens. A step is one batch of conversations: `prompts` tasks, each played `group` times; every
    reply that is answered is learned from."""

    out: RunFolder = Path("runs/sdpo")
    """Run folder; a bare name means runs/NAME."""
    steps: int | None = None  # type: ignore[assignment]
    """Batches of conversations. Default: 100; with data, as many as --epochs takes."""
    prompts: int = 16
    """Tasks in a step; with files of conversations: how many of these."""
    group: int = 1
    """Conversations of each; more than one for sibling centring, cross-fitting and --reward-weight."""
    learning_rate: float | None = None
    """The highest. Default: 5e-6, with --lora 1e-4."""
    loss: Literal["dapo", "grpo", "dr_grpo", "bnpo", "cispo"] | None = None  # type: ignore[assignment]
    """`dapo` weighs every token that is learned from alike, `grpo` every conversation, as the published form does; see
    TRL for the others. Default: dapo, in the legacy forms grpo."""
    sdpo: Published = "usergym"
    """Whose form the choices below have where they are not given: ours, or that of the published online or offline
    trainer."""
    estimator: Literal["sampled", "topk", "full"] = "sampled"
    """What is compared: the probability of the token that was sampled, or the whole distribution at its place, of the
    policy's `top-k` tokens with one for the rest, or of all."""
    top_k: int | None = None
    """Of the estimator `topk`. Default: 20."""
    divergence: Literal["reverse_kl", "forward_kl", "jsd"] = "reverse_kl"
    """Of the estimators `topk` and `full`: from the policy to the teacher, from the teacher to the policy, or between
    both."""
    alpha: float = 0.5
    """Of `jsd`: the teacher's share in the mixture."""
    centring: Literal["none", "sequence", "batch", "sibling"] | None = None
    """What is taken from every token's signal: nothing, the mean of its reply (then a reply as a whole is neither good
    nor bad), of the step, or of the other replies to its task."""
    teacher: Literal["live", "base", "ema", "periodic"] = "live"
    """Who reads in hindsight: the policy as it is, as it began, a slow average of it, or a copy that is renewed."""
    ema_rate: float = 0.05
    """How fast the average follows, an optimizer step."""
    renew_every: int = 50
    """Optimizer steps between two copies of the teacher `periodic`."""
    control: Literal["none", "empty", "unrelated", "shuffled"] | None = None
    """What the reaction is compared with: no reaction at all, an empty one, one about something else, or one that
    somebody else's reply got. Default: unrelated; none in the legacy forms and for whole distributions."""
    cross_fit: bool = False
    """A reply is judged by the reaction that another reply to the same task got. Needs a group."""
    gate: float = 0.0
    """Leave out a reaction whose mean effect on a token is at most so many times that of an unrelated one; 0: take
    all."""
    signal_clip: float | None = None
    """No token's signal is larger."""
    ignore_first_k: int | None = None
    """Leave out so many tokens at the start of a reply."""
    anchor: float | None = None
    """Weight of a KL term that holds the policy near the model it began as, with an unbiased gradient. Default: 0.5; 0
    in the legacy forms and for whole distributions."""
    template: str | None = None
    """How the reaction stands in the context: a name of the registry (neutral, improve, critique, bare) or a text file
    with the slot {reaction}."""
    reward_weight: float = 0.0
    """Adds so much of the turn-level credit of rewards, as `train grpo` gives it. Needs a group."""

    def __post_init__(self) -> None:
        form = FORMS[self.sdpo] if self.estimator == "sampled" else {**FORMS[self.sdpo], **WHOLE}
        for name, value in {"anchor": 0.0, **form}.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        if self.top_k is None and self.estimator != "sampled":
            object.__setattr__(self, "top_k", TOP_K)
        if self.loss is None:
            object.__setattr__(self, "loss", "dapo" if self.sdpo == "usergym" else "grpo")
        super().__post_init__()
        try:
            template_of(str(self.template))
        except LookupError as error:
            raise ValueError(str(error)) from None
        if self.conversations < 2:
            raise ValueError("--prompts 1 --group 1: a step is of two conversations or more; give a larger --prompts")
        if self.sdpo == "legacy-offline" and self.updates > 1:
            raise ValueError(
                f"--sdpo legacy-offline knows no importance weights, which --updates {self.updates} needs; give 1"
            )
        if self.estimator != "sampled":
            self._check_whole()
        elif self.top_k is not None:
            raise ValueError(
                f"--top-k {self.top_k} is of whole distributions; give --estimator topk with it, or leave it out"
            )
        elif self.divergence != "reverse_kl":
            raise ValueError(
                f"--divergence {self.divergence} compares whole distributions; give --estimator topk or full with it"
            )

    def _check_whole(self) -> None:
        if self.sdpo != "usergym":
            raise ValueError(
                f"--sdpo {self.sdpo} is of sampled tokens, and --estimator {self.estimator} is not; give one"
            )
        if self.control != "none" or self.gate or self.signal_clip or self.centring != "none":
            raise ValueError(
                f"--estimator {self.estimator} compares whole distributions, to which --control, --gate, --signal-clip "
                "and --centring do not apply; leave them out, or give --estimator sampled"
            )
        others = self.reward_weight or self.anchor or self.beta or self.entropy
        if self.loss not in ("dapo", "grpo") or others or self.updates > 1:
            raise ValueError(
                f"--estimator {self.estimator} has its own loss: --loss dapo or grpo, no --reward-weight, --anchor, "
                "--beta or --entropy, and one --updates; or give --estimator sampled"
            )

    def _check_group(self) -> None:
        needing = {"--centring sibling": self.centring == "sibling", "--cross-fit": self.cross_fit}
        needing["--reward-weight"] = self.reward_weight > 0
        if self.group < 2 and (names := [name for name, given in needing.items() if given]):
            raise ValueError(
                f"{names[0]} compares the replies to one task, and --group is {self.group}; give 2 or more, or with "
                "recorded conversations leave it out"
            )

    def _check_ranges(self) -> None:
        super()._check_ranges()
        for name in ("group", "top_k", "renew_every"):
            self._refuse(name, lambda value: value >= 1, "1 or more")
        for name in ("gate", "anchor", "reward_weight", "ignore_first_k"):
            self._refuse(name, lambda value: value >= 0, "0 or more")
        self._refuse("signal_clip", lambda value: value > 0, "more than 0")
        for name in ("ema_rate", "alpha"):
            self._refuse(name, lambda value: 0 < value < 1, "more than 0 and less than 1")

    @property
    def rate(self) -> float:
        return self.learning_rate or (1e-4 if self.lora else 5e-6)

    @property
    def copies(self) -> int:
        """The teacher's, and that of the model as it began, unless they are one."""
        began = bool(self.anchor) and self.teacher != "base"
        return super().copies + (self.teacher != "live") + began

    def counted(self, conversations: int | None = None, epochs: float = 1.0) -> "SdpoConfig":
        """With the number of its steps, unless that was given: so many `epochs` of recorded `conversations`."""
        if self.steps is not None:
            return self
        if conversations is None:
            return replace(self, steps=STEPS)
        wanted = conversations / self.prompts * epochs
        if wanted > MOST:
            raise ValueError(f"--epochs is {epochs:g}, which makes more than {MOST:,} steps; give fewer, or --steps")
        return replace(self, steps=max(1, ceil(wanted)))
