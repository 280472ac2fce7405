"""What a reaction says of each token of a reply, by the log-probabilities that a model gives it with and without the
reaction: log p(y|x,o) - log p(y|x), and beside it the same with a remark that has nothing to do with the reply."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from usergym.training.chat import Chat, TemplateError
from usergym.training.divergence import reply_logprobs
from usergym.training.hindsight import TEMPLATES, Template, hindsight_ids
from usergym.training.signal_cases import Case, Control, remark
from usergym.training.signal_figures import LeftOut, Token, TokenSignal
from usergym.types import Message, stable_hash

TOGETHER = 8
"""Cases that are scored, or replies that are sampled, at a time."""


@dataclass(frozen=True)
class _Ready:
    """A case in tokens."""

    case: Case
    control: str | None
    reply: list[int]
    contexts: list[list[int]]
    """x, (x,o), and (x,control) where there is one."""


class _Unfit(Exception):
    """A case that cannot be scored."""

    def __init__(self, case: Case, why: Any, message: str) -> None:
        self.left_out = LeftOut(case.id, why, message)


def placed(model: Any) -> Any:
    """The model on the first GPU, if there is one."""
    return model.to("cuda") if torch.cuda.is_available() else model


def token_signals(
    model: Any,
    chat: Chat,
    cases: Sequence[Case],
    *,
    template: Template = TEMPLATES["neutral"],
    control: Control = "unrelated",
    seed: int = 0,
    each: Callable[[int], None] = lambda done: None,
) -> list[TokenSignal | LeftOut]:
    """The signal of every case, in order; of one that cannot be scored, why.

    control: what stands in the reaction's place beside it. unrelated: the case's own remark, else one of ours drawn by
    `seed`; shuffled: the reaction to another request; empty: the same frame around nothing; none. Neither reply nor
    reaction nor history is ever cut: what does not fit the model's window is left out, and so is a case without a
    reply (`sampled` makes one). `each` is told how many cases are done.
    """
    others = _controls(cases, control, seed)
    window = getattr(model.config, "max_position_embeddings", None)
    found: list[TokenSignal | LeftOut] = []
    for start in range(0, len(cases), TOGETHER):
        batch: list[_Ready | LeftOut] = []
        for case, other in zip(cases[start : start + TOGETHER], others[start : start + TOGETHER], strict=True):
            try:
                batch.append(_ready(chat, case, other, template, window))
            except _Unfit as unfit:
                batch.append(unfit.left_out)
        found += _scored(model, chat, batch, template)
        each(len(found))
    return found


def sampled(
    model: Any,
    chat: Chat,
    cases: Iterable[Case],
    *,
    max_tokens: int = 256,
    min_tokens: int = 80,
    tries: int = 6,
    seed: int = 0,
    each: Callable[[int], None] = lambda done: None,
) -> dict[tuple[str, int], list[int]]:
    """A reply of the model for each request whose cases bring none, at temperature 1: ids, its end token among them
    unless it was cut at `max_tokens`.

    One with fewer than `min_tokens` is sampled again; after so many tries the longest is kept. The same seed gives the
    same replies on the same machine, and leaves torch's generator as it was. A request whose prompt and reply would
    not fit the model's window has none.
    """
    window = getattr(model.config, "max_position_embeddings", None) or 1 << 30
    prompts: dict[tuple[str, int], list[int]] = {}
    for case in cases:
        if case.sample and case.sample not in prompts:
            try:
                ids = chat.first(case.messages, case.tools)
            except TemplateError:
                continue  # told when it is scored
            if len(ids) + max_tokens <= window:
                prompts[case.sample] = ids
    replies: dict[tuple[str, int], list[int]] = {}
    for number in range(tries):
        waiting = [key for key in prompts if len(replies.get(key, ())) < min(min_tokens, max_tokens)]
        for start in range(0, len(waiting), TOGETHER):
            keys = waiting[start : start + TOGETHER]
            draw = stable_hash("reply", seed, number, start)
            for key, ids in zip(
                keys, _generate(model, chat, [prompts[k] for k in keys], max_tokens, draw), strict=True
            ):
                if len(ids) > len(replies.get(key, ())):
                    replies[key] = ids
            each(len(replies))
    return replies


def _generate(model: Any, chat: Chat, prompts: Sequence[list[int]], max_tokens: int, seed: int) -> list[list[int]]:
    pad, longest = chat.tokenizer.pad_token_id, max(map(len, prompts))
    ids = torch.tensor([[pad] * (longest - len(prompt)) + prompt for prompt in prompts], device=model.device)
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=model.device)
    devices = [model.device] if model.device.type == "cuda" else []
    with torch.random.fork_rng(devices), torch.no_grad():
        torch.manual_seed(seed)
        made = model.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=max_tokens,
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            repetition_penalty=1.0,
            eos_token_id=list(chat.end_ids),
            pad_token_id=pad,
        )
    return [_until_end(row, chat.end_ids) for row in made[:, longest:].tolist()]


def _until_end(ids: list[int], ends: Sequence[int]) -> list[int]:
    return ids[: next((place + 1 for place, each in enumerate(ids) if each in ends), len(ids))]


def _controls(cases: Sequence[Case], control: Control, seed: int) -> list[str | None]:
    """What stands in the reaction's place of each case; None for nothing."""
    if control == "none":
        return [None] * len(cases)
    if control == "empty":
        return [""] * len(cases)
    if control == "unrelated":
        return [remark(case, seed) if case.control is None else case.control for case in cases]
    random = np.random.default_rng(seed)
    chosen: list[str | None] = []
    for case in cases:
        strangers = [each.reaction for each in cases if each.request != case.request and each.reaction.strip()]
        chosen.append(strangers[random.integers(len(strangers))] if strangers else None)
    return chosen


def _ready(chat: Chat, case: Case, control: str | None, template: Template, window: int | None) -> _Ready:
    if not case.reaction.strip():
        raise _Unfit(case, "no_reaction", "the reaction is empty")
    if control is not None and control and not control.strip():
        raise _Unfit(case, "no_reaction", "the unrelated reaction beside it is empty")
    try:
        contexts = [_context(chat, case)]
        reply = list(case.reply_ids) or _spelled(chat, case)
    except TemplateError as error:
        raise _Unfit(case, "frame", str(error)) from error
    if all(token in chat.end_ids for token in reply):
        raise _Unfit(case, "no_reply", "the reply says nothing: there is only its end token")
    for text, name in ((case.reaction, "reaction"), (control, "unrelated reaction")):
        if text is not None:
            try:
                contexts.append(hindsight_ids(chat, case.messages, text, template, case.tools, case.head))
            except TemplateError as error:
                raise _Unfit(case, "frame", str(error)) from error
            except ValueError as error:
                raise _Unfit(case, "long_reaction", f"of the {name}: {error}") from error
    needed = max(map(len, contexts)) + len(reply)
    if window is not None and needed > window:
        raise _Unfit(
            case,
            "window",
            f"context, reaction and reply are {needed:,} tokens, the model's window is {window:,}, and none of them is "
            "cut; give a model with a larger window",
        )
    return _Ready(case, control, reply, contexts)


def _spelled(chat: Chat, case: Case) -> list[int]:
    if case.reply is None:
        raise _Unfit(case, "no_reply", "it has no reply, and its prompt leaves no room in the window to sample one")
    return chat.write(Message("assistant", case.reply))


def _context(chat: Chat, case: Case) -> list[int]:
    """x; of a recorded reply in the ids it was sampled behind, which must be those that its messages make here, since
    (x,o) is made of them."""
    ids = [*case.head, *chat.more(case.messages)] if case.head else chat.first(case.messages, case.tools)
    if case.prompt_ids and tuple(ids) != case.prompt_ids:
        raise _Unfit(
            case,
            "frame",
            "the recorded prompt is not what this model makes of the messages (another tokenizer, other tools or "
            "another chat template), so the reaction cannot be put into it; give the model that was recorded, or write "
            "the conversations out as text: usergym convert RUN rows.jsonl --to interactions",
        )
    return ids


def _scored(
    model: Any, chat: Chat, batch: Sequence[_Ready | LeftOut], template: Template
) -> list[TokenSignal | LeftOut]:
    ready = [each for each in batch if isinstance(each, _Ready)]
    contexts = [context for each in ready for context in each.contexts]
    replies = [each.reply for each in ready for _ in each.contexts]
    pad = chat.tokenizer.pad_token_id
    made = iter(reply_logprobs(model, contexts, replies, pad=pad) if ready else ())
    found: list[TokenSignal | LeftOut] = []
    for each in batch:
        if isinstance(each, LeftOut):
            found.append(each)
            continue
        rows = [next(made) for _ in each.contexts]
        case = each.case
        if not all(np.isfinite(row).all() for row in rows):
            found.append(LeftOut(case.id, "not_finite", "the model gives its tokens no finite log-probability"))
            continue
        x, xo, *xc = (tuple(row.tolist()) for row in rows)
        tokens = read_tokens(chat.tokenizer, each.reply)
        reply = "".join(token.text for token in tokens)
        found.append(
            TokenSignal(
                case.id,
                case.request,
                case.kind,
                case.messages,
                case.reaction,
                each.control,
                template.name,
                reply,
                tokens,
                x,
                xo,
                xc[0] if xc else None,
            )
        )
    return found


def read_tokens(tokenizer: Any, ids: Sequence[int]) -> tuple[Token, ...]:
    """Each token with its own text. Together they make the text of all, special tokens left out; a character that
    several tokens make belongs to the last of them."""
    special = set(tokenizer.all_special_ids) | {
        n for n, token in tokenizer.added_tokens_decoder.items() if token.special
    }

    def text(until: int) -> str:
        kept = [each for each in ids[:until] if each not in special]
        return str(tokenizer.decode(kept, skip_special_tokens=False, clean_up_tokenization_spaces=False))

    whole = text(len(ids))
    made: list[Token] = []
    open_: list[int] = []
    """Tokens of a character that is not yet whole."""
    told = 0
    for place, number in enumerate(ids):
        if number in special:
            made.append(Token(number, "", str(tokenizer.convert_ids_to_tokens(number))))
            continue
        made.append(Token(number, ""))
        open_.append(place)
        so_far = text(place + 1)
        if not whole.startswith(so_far):
            so_far = so_far.rstrip("�")
        settled = len(so_far) if len(so_far) > told and whole.startswith(so_far) else told
        if settled > told:
            for part, at in enumerate(open_, 1):
                last = part == len(open_)
                pieces = (part, len(open_)) if len(open_) > 1 else None
                made[at] = Token(ids[at], whole[told:settled] if last else "", part=pieces)
            told, open_ = settled, []
    return tuple(made)
