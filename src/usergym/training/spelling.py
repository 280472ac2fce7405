"""Text to token ids in which a special token's name can also be mere words.

A tokenizer makes the name of a special token into that token wherever it stands. So before a conversation is rendered,
such names in what was said are hidden; afterwards the stretch between two real special tokens in which one stood is
tokenized anew as plain text. Tokenizers never merge across a special token, so all other ids are those of the plain
rendering, and the stretch has those that it would have if the token did not exist.
"""

import re
import secrets
from collections.abc import Iterator, Sequence
from typing import Any


class Spelling:
    """How one (fast) tokenizer spells text."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        added = {str(token): number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
        extra = zip(tokenizer.all_special_tokens, tokenizer.all_special_ids, strict=True)
        self.special: dict[str, int] = {name: number for name, number in {**added, **dict(extra)}.items() if name}
        """Ids of the special tokens by name."""
        framing = {tokenizer.eos_token_id, tokenizer.bos_token_id, tokenizer.pad_token_id}
        if tokenizer.unk_token_id not in framing:
            # It stands for words that the tokenizer does not know, so no stretch ends there.
            self.special.pop(tokenizer.unk_token, None)
        self._ids = frozenset(self.special.values())
        self._pad = tokenizer.pad_token_id
        self._lengths = sorted({len(name) for name in self.special}, reverse=True)
        firsts = "".join(re.escape(first) for first in sorted({name[0] for name in self.special}))
        self._first = re.compile(f"[{firsts}]" if firsts else "(?!)")
        self._mark = f"name{secrets.token_hex(8)}n"
        self._marks = re.compile(self._mark + r"(\d+)n")
        self._numbered = list(self.special)
        self._number = {name: number for number, name in enumerate(self._numbered)}

    def names(self, text: str) -> list[str]:
        """The special tokens whose names stand in a text, in order."""
        return [text[start:end] for start, end in self._spans(text)]

    def hide(self, value: Any) -> Any:
        """JSON-like data with the names of special tokens in its texts replaced by marks."""
        if isinstance(value, str):
            return self._hidden(value)
        if isinstance(value, dict):
            return {self.hide(key): self.hide(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.hide(each) for each in value]
        return value

    def ids(self, text: str) -> list[int]:
        """The ids of a text: special tokens where their names stand, plain words where marks do."""
        if self._mark not in text:
            return self._encode(text)
        found = self.tokenizer(
            text, add_special_tokens=False, split_special_tokens=False, return_offsets_mapping=True, verbose=False
        )
        ids, places = found["input_ids"], found["offset_mapping"]
        out: list[int] = []
        at = start = 0
        for i in [*(i for i, each in enumerate(ids) if each in self._ids), len(ids)]:
            stop = places[i][0] if i < len(ids) else len(text)
            out += self._plain(text[start:stop], ids[at:i])
            if i < len(ids):
                out.append(ids[i])
                at, start = i + 1, places[i][1]
        return out

    def text(self, ids: Sequence[int]) -> str:
        """The text of ids, special tokens by their names, padding left out."""
        kept = [each for each in ids if each != self._pad]
        return str(self.tokenizer.decode(kept, skip_special_tokens=False, clean_up_tokenization_spaces=False))

    def _spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Of overlapping names the first, of those that begin together the longest, as tokenizers choose."""
        end = 0
        for match in self._first.finditer(text):
            start = match.start()
            if start >= end:
                length = next((n for n in self._lengths if text[start : start + n] in self.special), 0)
                if length:
                    end = start + length
                    yield start, end

    def _hidden(self, text: str) -> str:
        out, at = [], 0
        for start, end in self._spans(text):
            out += [text[at:start], f"{self._mark}{self._number[text[start:end]]}n"]
            at = end
        return "".join([*out, text[at:]]) if out else text

    def _plain(self, text: str, ids: list[int]) -> list[int]:
        """Ids of a stretch without special tokens; `ids` are right unless there is a mark in it."""
        if self._mark not in text:
            return ids
        words = self._marks.sub(lambda mark: self._numbered[int(mark[1])], text)
        # Some tokenizers put a space before a text that stands alone, so it may have to stand behind another.
        for before in ("", "\n", ".", "~"):
            skip = len(self._encode(before, plain=True)) if before else 0
            if self._encode(before + text, plain=True)[skip:] == ids:
                return self._encode(before + words, plain=True)[skip:]
        return self._encode(words, plain=True)

    def _encode(self, text: str, plain: bool = False) -> list[int]:
        encoded: list[int] = self.tokenizer.encode(
            text, add_special_tokens=False, split_special_tokens=plain, verbose=False
        )
        return encoded
