"""`usergym prepare wildfeedback`, `wildchat` and `log`: tuples of context, reply and reaction."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from usergym.cli.errors import told_in_one_line
from usergym.cli.prepare_run import OutputOptions, run
from usergym.data.prepare import wildchat as wildchat_rules
from usergym.data.prepare import wildfeedback as wildfeedback_rules
from usergym.data.prepare.log import Log, open_log
from usergym.data.prepare.sources import open_source
from usergym.data.prepare.tuples import Alternation, PairKind


@dataclass
class ChatOptions:
    """Which conversations are kept, and what of them is a tuple."""

    min_messages: int = 3
    """Messages with words that a conversation must have."""
    max_chat: int = 100_000
    """Characters that a conversation may have."""
    max_reply: int = 4096
    """Characters of a reply; a conversation with a longer one is left out whole."""
    history: int = 5
    """Messages of context at most, beginning with the user."""
    alternation: Alternation = "join"
    """Consecutive messages of one speaker: join them, or drop the later ones from the context."""
    pair_kind: PairKind = "assistant_to_user"
    """assistant_to_user: replies with the user's next message. user_to_assistant: every reply to the user; those that
    nobody answered only have a place in --legacy-rows."""
    legacy_rows: Annotated[bool, Parameter(negative="")] = False
    """Write the documented rows (id, prompt, completion, user_response, ...) and not x, y, o."""

    def rules(self) -> dict[str, Any]:
        return asdict(self)


@told_in_one_line
def wildfeedback(
    *,
    source: str = wildfeedback_rules.SOURCE,
    max_user: int | None = None,
    seed: int | None = None,
    chats: Annotated[ChatOptions, Parameter(name="*", group="Rules")] = ChatOptions(),
    options: Annotated[OutputOptions, Parameter(name="*", group="Output")] = OutputOptions(),
) -> None:
    """Write tuples of WildFeedback to ./data/wildfeedback.

    A row for every reply that the user answered: x is the context, y the reply, o the answer, meta says whence. What is
    held out is decided by a hash of the conversation's id.

    Examples:

        usergym prepare wildfeedback
        usergym prepare wildfeedback --source wildfeedback.json --limit 1000 --out data/some

    Parameters
    ----------
    source
        A data set of the hub (needs the extra data), or a file or folder of such rows (JSONL, JSON, parquet). In a
        folder the files train* and validation* are the splits.
    max_user
        Characters of a user's message; a conversation with a longer one is left out whole. Default: any.
    seed
        Read the rows in this random order; default: as they are stored.
    """
    recipe = wildfeedback_rules.WildFeedback(max_user=max_user, **chats.rules())
    config = wildfeedback_rules.CONFIG if source == wildfeedback_rules.SOURCE else None
    run(recipe, open_source(source, config), options.plan(wildfeedback_rules.OUT, seed), options)


@told_in_one_line
def wildchat(
    *,
    source: str = wildchat_rules.SOURCE,
    language: str = "English",
    max_user: int = 4096,
    max_chats: int = 15_000,
    enough_chats: int = 14_000,
    enough_tuples: int = 50_000,
    seed: int = wildchat_rules.SEED,
    chats: Annotated[ChatOptions, Parameter(name="*", group="Rules")] = ChatOptions(),
    options: Annotated[OutputOptions, Parameter(name="*", group="Output")] = OutputOptions(),
) -> None:
    """Write tuples of a random sample of WildChat to ./data/wildchat.

    A row for every reply that the user answered: x is the context, y the reply, o the answer, meta says whence. What is
    held out is decided by a hash of the conversation's id.

    Examples:

        usergym prepare wildchat
        usergym prepare wildchat --source wildchat/ --max-chats 500 --out data/some

    Parameters
    ----------
    source
        A data set of the hub (needs the extra data), or a file or folder of such rows (JSONL, JSON, parquet). In a
        folder the files train* and validation* are the splits.
    language
        Of the conversations, as their rows name it; any takes all.
    max_user
        Characters of a user's message; a conversation with a longer one is left out whole.
    max_chats
        Stop after so many conversations.
    enough_chats
        Or after so many, once there are --enough-tuples.
    enough_tuples
        See --enough-chats.
    seed
        Read the conversations in this random order.
    """
    recipe = wildchat_rules.WildChat(
        language=language,
        max_user=max_user,
        max_chats=max_chats,
        enough_chats=enough_chats,
        enough_tuples=enough_tuples,
        **chats.rules(),
    )
    run(recipe, open_source(source), options.plan(wildchat_rules.OUT, seed), options)


@told_in_one_line
def log(
    file: Path,
    /,
    *,
    speaker: Literal["assistant", "user"] = "assistant",
    min_chars: int = 1,
    max_chars: int = 4096,
    history: int | None = None,
    frm: Annotated[str | None, Parameter(name="--from")] = None,
    seed: int | None = None,
    options: Annotated[OutputOptions, Parameter(name="*", group="Output")] = OutputOptions(),
) -> None:
    """Write tuples of any chat log, or of a run, to ./data/NAME_tuples.

    A row for every reply that was answered: x is the context, y the reply, o what the other one said next. What failed
    or was cut at length is left out and counted. The samples of one task are in one split.

    Examples:

        usergym prepare log chats.jsonl
        usergym prepare log runs/smol --speaker user --out data/users

    Parameters
    ----------
    file
        A run folder, or a file in any format that `usergym convert` reads.
    speaker
        Whose replies are y.
    min_chars
        Characters of the reply and of the reaction, each, at least.
    max_chars
        And at most.
    history
        Messages of context at most, beginning with the other one; default: all.
    frm
        Format of the file; default: told from the shape of its rows.
    seed
        Read the conversations in this random order; default: as they are stored.
    """
    recipe = Log(speaker=speaker, min_chars=min_chars, max_chars=max_chars, history=history)
    name = file.resolve().name.split(".")[0] or "log"
    run(recipe, open_log(file, frm), options.plan(f"data/{name}_tuples", seed), options)
