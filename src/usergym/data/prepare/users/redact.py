"""What tells who somebody is, taken out: names, handles, addresses, links; and quotes out of personas."""

import re
from collections.abc import Collection, Mapping
from typing import Literal, get_args

import msgspec

from usergym.data.formats.humanlm import NAME
from usergym.data.prepare.users.datasets import ASSISTANT
from usergym.data.prepare.users.profile import Evidence, Item, Profile
from usergym.data.prepare.users.targets import Target
from usergym.types import stable_hash

Kind = Literal["names", "quotes", "handles", "emails", "urls"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_EMAIL = re.compile(r"[\w.+'-]+@[\w-]+(?:\.[\w-]+)+")
_URL = re.compile(r"(?:https?://|www\.)[^\s<>\"')\]]+", re.IGNORECASE)
_HANDLE = re.compile(r"(?<![\w/.])(?:@\w[\w.-]*\w|/?u/[\w-]{2,})")
_SITE = re.compile(
    r"(?<![\w@])(?:[\w-]+\.)+(?:com|org|net|edu|gov|io|info|example|co\.uk|de|fr)\b(?:/\S*)?", re.IGNORECASE
)
BLOT = "\0"
_QUOTE = re.compile(r"\s*\(?(?:\"[^\"\n]{3,}\"|“[^”\n]{3,}”|«[^»\n]{3,}»)\)?")
_CALLED = re.compile(r"\b((?:[Mm]y name is|[Mm]y name's|I am called|[Cc]all me)\s+)[A-Z]\w+(?: [A-Z]\w+)?")
_GREETED = re.compile(r"^(\s*(?:Hi|Hello|Hey|Dear)\s+)[A-Z]\w+(?: [A-Z]\w+)?(?=\s*[,!:.-])", re.MULTILINE)
_SIGNED = re.compile(r"((?:^|\n)[^\n]{0,40},[ \t]*\n\s*)[A-Z]\w+(?: [A-Z]\w*\.?)?(?: [A-Z]\w+)?\s*\Z")


def blotted(text: str) -> str:
    """Links, addresses and handles blotted out, every other character in its place: they are no words of anybody's."""
    for pattern in (_URL, _EMAIL, _SITE, _HANDLE):
        text = pattern.sub(lambda found: BLOT * len(found[0]), text)
    return text


class Redaction:
    """The same replacement wherever the same thing is meant."""

    def __init__(self, kinds: Collection[str], seed: int = 0) -> None:
        """ValueError names a kind that there is not."""
        if unknown := [kind for kind in kinds if kind not in KINDS]:
            raise ValueError(f"--redact {unknown[0]}: there are {', '.join(KINDS)} and all")
        self.kinds = frozenset(kinds)
        self.seed = seed

    def target(self, target: Target) -> Target:
        """The thread, the words and the ids of people; ids of posts stay."""
        if not self.kinds - {"quotes"}:
            return target
        labels = self._labels(target)
        thread = tuple((labels.get(name, name), self.text(words, labels)) for name, words in target.thread)
        truth = self.text(target.truth, labels)
        return msgspec.structs.replace(target, thread=thread, truth=truth, user=self.user(target.user))

    def user(self, name: str) -> str:
        """A name that says nothing, where names or handles are redacted."""
        hidden = self.kinds & {"names", "handles"}
        return f"user-{stable_hash('pseudonym', self.seed, name):016x}" if hidden else name

    def profile(self, profile: Profile) -> Profile:
        if not self.kinds:
            return profile
        own = {profile.user: NAME} if "names" in self.kinds else {}
        fields = {
            field: tuple(kept for item in items if (kept := self._item(item, own)).says)
            for field, items in profile.fields.items()
        }
        words = self._persona(profile.words, own)
        return msgspec.structs.replace(profile, fields=fields, words=words, user=self.user(profile.user))

    def text(self, text: str, labels: Mapping[str, str] = {}) -> str:
        """`labels`: names that are known, with what stands for them."""
        if "urls" in self.kinds:
            text = _URL.sub("[link]", text)
        if "emails" in self.kinds:
            text = _EMAIL.sub("[e-mail]", text)
        if "handles" in self.kinds:
            text = _HANDLE.sub("@someone", text)
        if "names" in self.kinds:
            for pattern in (_CALLED, _GREETED, _SIGNED):
                text = pattern.sub(r"\1[name]", text)
            for name, label in labels.items():
                text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", label, text) if name in text else text
        return text

    def _labels(self, target: Target) -> dict[str, str]:
        if "names" not in self.kinds:
            return {}
        others = dict.fromkeys(name for name, _ in target.thread if name not in (NAME, ASSISTANT))
        labels = {target.user: NAME, **{name: f"PERSON {place}" for place, name in enumerate(others, 1)}}
        return {name: labels[name] for name in sorted(labels, key=len, reverse=True) if len(name) > 2}

    def _item(self, item: Item, own: Mapping[str, str]) -> Item:
        evidence = tuple(self._evidence(each, own) for each in item.evidence)
        return Item(self._persona(item.says, own), evidence)

    def _evidence(self, evidence: Evidence, own: Mapping[str, str]) -> Evidence:
        quote = "" if "quotes" in self.kinds else self.text(evidence.quote, own)
        return msgspec.structs.replace(evidence, quote=quote)

    def _persona(self, text: str, own: Mapping[str, str]) -> str:
        text = _QUOTE.sub("", text).strip() if "quotes" in self.kinds else text
        return self.text(text, own)
