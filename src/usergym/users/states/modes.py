"""The named ways to train and to evaluate a person: which levels, in how many generations, with or without thoughts."""

import difflib
from collections.abc import Mapping

from usergym.types import Record


class Mode(Record, frozen=True):
    """How the levels of a hierarchy are written and learned."""

    name: str
    levels: str
    """The name of the hierarchy."""
    separate: bool = False
    """One level a generation; else all of them in one."""
    conditioned: bool = False
    """States stand before what follows them: as the text written so far, or as the best prefixes held."""
    own_prompts: bool = False
    """Each level has a prompt of its own; else the prompt of the whole hierarchy asks for one after the other."""
    thinking: bool = False
    """Free thought before what is written."""
    hetero: bool = False
    """Thought before the response only."""
    trains: bool = True

    def thinks(self, level: str) -> bool:
        """Whether thought comes before this level."""
        return self.thinking and (not self.hetero or level == "response")


class ModelType(Record, frozen=True):
    """One kind of model that `eval_only` evaluates: what it writes, and how it is asked."""

    name: str
    levels: str = "r"
    """The name of the hierarchy."""
    thinking: bool = False
    base: str = "qwen"
    """qwen, userlm (speaks as a user by a template of its own), or api (behind an endpoint)."""
    item_dropout: float = 0.0
    """The share of a persona's items that it is not told."""


def _named(*modes: Mode) -> Mapping[str, Mode]:
    return {mode.name: mode for mode in modes}


SEBVGCR, CHAT = "sebvgcr", "sebvgcr_wildchat_stronger"

MODES: Mapping[str, Mode] = _named(
    Mode("response_only", "r"),
    Mode("response_only_think", "r", thinking=True),
    Mode("response_only_wildchat", "r_wildchat_stronger"),
    Mode("response_only_think_wildchat", "r_wildchat_stronger", thinking=True),
    Mode("separate_generation", SEBVGCR, separate=True, conditioned=True),
    Mode("separate_reward", SEBVGCR, conditioned=True),
    Mode("separate_reward_subset", "ser", conditioned=True),
    Mode("separate_system_prompt", SEBVGCR, separate=True, own_prompts=True),
    Mode("separate_system_prompt_wildchat", CHAT, separate=True, own_prompts=True),
    Mode("separate_system_prompt_hetero", SEBVGCR, separate=True, own_prompts=True, thinking=True, hetero=True),
    Mode("separate_system_prompt_hetero_wildchat", CHAT, separate=True, own_prompts=True, thinking=True, hetero=True),
    Mode("eval_only", "r", trains=False),
)
"""Every documented configuration key."""

_CHAT_RESPONSE = "r_wildchat_stronger"

MODEL_TYPES: Mapping[str, ModelType] = {
    kind.name: kind
    for kind in (
        ModelType("base"),
        ModelType("base-think", thinking=True),
        ModelType("base-wildchat", _CHAT_RESPONSE),
        ModelType("base-wildchat-think", _CHAT_RESPONSE, thinking=True),
        ModelType("gpt-5", base="api"),
        ModelType("userlm", "r_no_tag_userlm", base="userlm"),
        ModelType("userlm-wildchat", "r_no_tag_userlm_wildchat", base="userlm"),
        ModelType("sft", "r_no_tag"),
        ModelType("sft-think", "think_r", thinking=True),
        ModelType("rl-ablation"),
        ModelType("rl-ablation-think", thinking=True),
        ModelType("rl-ablation-wildchat", _CHAT_RESPONSE),
        ModelType("rl-ablation-think-wildchat", _CHAT_RESPONSE, thinking=True),
        ModelType("humanlm-sep-prompt"),
        ModelType("humanlm-sep-prompt-think", thinking=True),
        ModelType("humanlm-sep-prompt-dropout", item_dropout=0.8),
        ModelType("humanlm-sep-prompt-hetero", thinking=True),
        ModelType("humanlm-sep-prompt-hetero-wildchat", _CHAT_RESPONSE, thinking=True),
        ModelType("humanlm-sep-prompt-wildchat", _CHAT_RESPONSE),
        ModelType("humanlm-sep-prompt-wildchat-think", _CHAT_RESPONSE, thinking=True),
        ModelType("humanlm-sep-prompt-synthesis", "r_synthesis"),
        ModelType("humanlm-sep-prompt-synthesis-instruct", "r_synthesis_instruct", thinking=True),
        ModelType("humanlm-sep-prompt-latent", "r_latent_think"),
        ModelType("humanlm-sep-prompt-latent-think", "r_latent_think", thinking=True),
        ModelType("humanlm-sep-reward", "sebvgcr"),
        ModelType("humanlm-sep-reward-subset", "ser"),
        ModelType("generate-hierarchies-think", "sebvgcr", thinking=True),
    )
}
"""Every documented model type."""

ALIASES: Mapping[str, str] = {
    "response-only-think": "rl-ablation-think",
    "sep-prompt-latent": "humanlm-sep-prompt-latent",
    "sep-prompt-latent-think": "humanlm-sep-prompt-latent-think",
}
"""Names that the documented launcher takes for another model type."""


def mode(name: str) -> Mode:
    """LookupError lists the modes."""
    if name not in MODES:
        raise LookupError(f"no mode {name!r}{_near(name, MODES)} there are {', '.join(MODES)}")
    return MODES[name]


def model_type(name: str) -> ModelType:
    """A model type by its name, its alias, or either with _ for -. LookupError lists the types."""
    given = name.replace("_", "-")
    found = MODEL_TYPES.get(ALIASES.get(given, given))
    if found is None:
        raise LookupError(f"no model type {name!r}{_near(given, MODEL_TYPES)} there are {', '.join(MODEL_TYPES)}")
    return found


def _near(name: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(name, known, 1, 0.7)
    return f"; did you mean {near[0]}?" if near else ";"
