"""Whether what an agent asks to confirm is what a customer wants."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_IDS = {
    "order": re.compile(r"#W\d{7}\b"),
    "item": re.compile(r"\b\d{10}\b"),
    "method": re.compile(r"\b(?:credit_card|gift_card|paypal|certificate)_\d+\b"),
    "reservation": re.compile(r"\b(?!HAT\d{3})(?=[A-Z0-9]*\d)(?=[A-Z0-9]*[A-Z])[A-Z0-9]{6}\b"),
}
_VERBS = {
    "cancel": re.compile(r"\bcancel", re.IGNORECASE),
    "return": re.compile(r"\breturn|\bsend(ing)? back", re.IGNORECASE),
    "exchange": re.compile(r"\bexchang|\bswap|\breplac", re.IGNORECASE),
    "change": re.compile(r"\bchang|\bmodif|\bupdat|\bmov(e|ing)\b|\bupgrad|\bdowngrad|\badd", re.IGNORECASE),
    "book": re.compile(r"\bbook", re.IGNORECASE),
    "compensate": re.compile(r"\bcertificate|\bcompensat|\bvoucher", re.IGNORECASE),
}
_YOURS = re.compile(
    r"\b(?:what|as|that|which|change|changes|request|everything|it) you(?:'ve| have)? (?:just )?"
    r"(?:describ|ask|want|request|told|said|mention|need|wish|named)|\byour (?:wish|request)\b"
    r"|\b(?:described|requested|asked for) by you\b",
    re.IGNORECASE,
)
"""Words for the wish as the customer told it. "Change" is such a word too: it may be said of anything."""
_WANTED = {
    "cancel_pending_order": ("cancel",),
    "cancel_reservation": ("cancel",),
    "return_delivered_order_items": ("return",),
    "exchange_delivered_order_items": ("exchange",),
    "modify_pending_order_items": ("change", "exchange"),
    "book_reservation": ("book",),
    "send_certificate": ("compensate",),
}


def generic(text: str) -> bool:
    """Whether it names nothing that could be wrong."""
    return not any(pattern.search(text) for pattern in (*_IDS.values(), *_VERBS.values()))


def fits(text: str, call: Mapping[str, Any]) -> bool:
    """Whether a message proposes this call: a word for what it does, or no word for anything else and the wish itself
    ("the change you described", or an id of the call's); and no order, item, payment method or reservation that the
    call does not name where it names one."""
    named = " ".join(_texts(call["arguments"]))
    known = False
    for pattern in _IDS.values():
        wanted, told = set(pattern.findall(named)), set(pattern.findall(text))
        if wanted and not told <= wanted:
            return False
        known |= bool(told & wanted)
    wants = _WANTED.get(call["name"], ("change",))
    verbs = {verb for verb, pattern in _VERBS.items() if pattern.search(text)}
    return not verbs.isdisjoint(wants) or (verbs <= {"change"} and (known or bool(_YOURS.search(text))))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)
    else:
        yield str(value)
