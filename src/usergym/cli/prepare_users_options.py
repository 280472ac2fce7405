"""Flags of `usergym prepare users`: what is held out, who is told how, what is written."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from usergym.cli.options import Json, ReachOptions, at_least
from usergym.environments.people.telling import MIN_TEXTS

Flag = Annotated[bool, Parameter(negative="")]
Redacted = Literal["names", "quotes", "handles", "emails", "urls", "all"]


@dataclass
class RowOptions:
    """What a row asks for and teaches."""

    hierarchy_config_path: str | None = None
    """Levels of a person's reaction: a shipped name (sebvgcr, ser, r, ...) or a JSON file. Default: of --mode, else
    sebvgcr; with --sft r, with --thinking-sft think_r; of wildchat those made for a chat."""
    mode: str | None = None
    """A training configuration (separate_system_prompt, response_only, ...): brings levels, prompts and thinking."""
    sft: Flag = False
    """Rows for fine-tuning instead of reinforcement learning."""
    thinking_sft: Flag = False
    """With a thought before what was written; needs --sft."""
    expand: Flag = False
    """A row for every level, each with its own prompt; held-out rows keep the last level. A mode with own prompts does
    it by itself."""
    no_tag: Flag = False
    """Bare words, without the tags around a level; for configurations of one level."""


@dataclass
class SplitOptions:
    """Who and what is held out."""

    split_by: Literal["user", "post", "turn", "source"] | None = None
    """By person (and whole posts of the others), by post in time, by each person's last turns, or as the source is.
    Default: source where it has held-out rows, else user."""
    unseen: float | None = None
    """Share of the people who are in no training row; only by user. Default: 0.08."""
    seen: float = 0.08
    """Share of the other people's posts (or turns) that is test."""
    val: float = 0.02
    """Likewise, for validation."""
    seed: int = 42
    """Of splits, subsets and the order of rows."""
    train_subset_percentage: float | None = None
    """Write so many percent of the training rows, drawn by the seed, to a folder of their own. Default: all."""
    test_subset_percentage: float = 100.0
    """Likewise of the test rows."""
    drop_leaks: Flag = False
    """Take out whatever shows what is held out, and count it."""
    allow_leaks: Flag = False
    """Report leaks and write the rows as they are; texts that stand in their own prompt are left out of training even
    so. Default: leaks end it."""

    def __post_init__(self) -> None:
        if self.unseen is not None and self.split_by not in (None, "user"):
            raise ValueError(f"--unseen is for --split-by user, not {self.split_by}; leave it out")
        if self.drop_leaks and self.allow_leaks:
            raise ValueError("--drop-leaks and --allow-leaks contradict each other; give one")


@dataclass
class PersonaOptions:
    """What is known of a person."""

    personas: Literal["auto", "given", "own"] = "auto"
    """given: as the rows bring them; own: from the person's texts; auto: given where there is one, else own."""
    persona_model: str | None = None
    """Draws personas from texts. Default: simple rules do, without a model."""
    persona_texts: int = 20
    """The earliest of a person's training texts, from which a persona is drawn."""
    min_items: int = 10
    """People whose persona has fewer items are left out; one that is a text has none to count, and is kept."""
    redact: Annotated[tuple[Redacted, ...], Parameter(negative="", consume_multiple=True)] = ()
    """Take out of everything that is written: names, handles, emails, urls; of personas also quotes. Or all."""
    field_dropout_prob: float = 0.0
    """Share of the persona's fields withheld in training rows."""
    item_dropout_prob: float = 0.0
    """Share of the items of the other fields, likewise."""
    test_field_dropout_prob: float = 0.6
    """The same in test_dropout."""
    test_item_dropout_prob: float = 0.6
    """The same in test_dropout."""

    def kinds(self) -> tuple[str, ...]:
        if "all" in self.redact:
            return ("names", "quotes", "handles", "emails", "urls")
        return tuple(sorted(set(self.redact)))


@dataclass
class RuleOptions:
    """Which texts are kept."""

    min_comments: int = MIN_TEXTS
    """Usable texts a person must have."""
    min_chars: int | None = None
    """Of a text. Default: 1, of mails 10."""
    comment_words: int = 1024
    """Words of a comment at most."""
    example_words: int = 3000
    """Words of a text with its thread at most."""
    strict: Flag = False
    """End at the first row without a user, with a broken field, or of somebody with too few texts; otherwise such rows
    are left out, counted and listed."""
    limit: int | None = None
    """Read so many rows of each split at most."""


@dataclass
class ThinkingOptions(ReachOptions):
    """Models that draw personas and write thoughts; replies are kept, so the same command goes on where it stopped."""

    thinking_model: str = "gpt-4o-mini"
    """Writes the thought before each text of --thinking-sft."""
    thinking_batch_size: int = 20
    """Questions in flight."""
    thinking_judge: str | None = None
    """Is asked whether a thought contradicts what was written. Default: a count of words for and against."""
    trajectory_path: Path | None = None
    """Thoughts that are there already: thoughts.jsonl, or rows of thinking SFT, a file or a folder. With
    --thinking-model none only these are used."""

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, thinking_batch_size=self.thinking_batch_size)


@dataclass
class TreeOptions:
    """Where it goes."""

    save_data_dir: Annotated[Path | None, Parameter(name=["--save-data-dir", "--out"])] = None
    """Folder of {rl,sft,thinking_sft}/CONFIG[/PERCENTp]. Default: data/users/DATASET."""
    save_prompt_dir: Path | None = None
    """Folder of the prompts by level. Default: prompts in --save-data-dir."""
    force: Flag = False
    """Overwrite what other settings wrote."""
    dry_run: Flag = False
    """Print what would be read, the rules and the output paths; read no row and create nothing."""
    json: Json = False
    """Print one JSON object."""


@dataclass
class UserOptions:
    """All of them."""

    rows: RowOptions = field(default_factory=RowOptions)
    splits: SplitOptions = field(default_factory=SplitOptions)
    personas: PersonaOptions = field(default_factory=PersonaOptions)
    rules: RuleOptions = field(default_factory=RuleOptions)
    thinking: ThinkingOptions = field(default_factory=ThinkingOptions)
    tree: TreeOptions = field(default_factory=TreeOptions)
