"""Rules about signs: emojis, exclamation marks, punctuation."""

import re
import unicodedata
from collections import Counter
from functools import cache

from rich.emoji import Emoji, NoEmoji

from usergym.users.styles.reply import Found, Reply, between, counted, kept_or_not

_ALWAYS = (
    "\u231a\u231b\u23e9-\u23ec\u23f0\u23f3\u25fd\u25fe\u2614\u2615\u2648-\u2653\u267f\u2693\u26a1\u26aa\u26ab"
    "\u26bd\u26be\u26c4\u26c5\u26ce\u26d4\u26ea\u26f2\u26f3\u26f5\u26fa\u26fd\u2705\u270a\u270b\u2728\u274c\u274e"
    "\u2753-\u2755\u2757\u2795-\u2797\u27b0\u27bf\u2b1b\u2b1c\u2b50\u2b55\u2600-\u2604\u2618\u261d\u2620\u2622"
    "\u2623\u260e\u262e\u2638-\u263b\u2661\u2665\u2668\u267b\u2692-\u2697\u2699\u269b\u26a0\u26b0\u26b1\u26c8\u26cf\u26d1\u26d3"
    "\u26e9\u26f0\u26f1\u26f4\u26f7-\u26f9\u2702\u2708\u2709\u270c\u270d\u270f\u2712\u2744\u2763\u2764\U0001f004\U0001f0cf"
    "\U0001f18e\U0001f191-\U0001f19a\U0001f201\U0001f21a\U0001f22f\U0001f232-\U0001f236\U0001f238-\U0001f23a"
    "\U0001f250\U0001f251\U0001f300-\U0001f64f\U0001f680-\U0001f6ff\U0001f7e0-\U0001f7f0\U0001f90c-\U0001f9ff"
    "\U0001fa70-\U0001faff"
)
"""Shown as a picture by default (Unicode's Emoji_Presentation), and the pictures among the older symbols: weather,
faces, hands, hearts, tools. Check marks, arrows, card suits, (C) and (R) are not."""
_MAYBE = (
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u21aa\u2328\u23cf\u23ed-\u23f2\u23f8-\u23fa\u24c2\u25aa-\u25fe"
    "\u2605-\u27bf\u2934\u2935\u2b05-\u2b07\u2b1b\u2b1c\u3030\u303d\u3297\u3299\U0001f170-\U0001f251"
)
"""A picture only with the variation selector that asks for one."""
_TONE = "\U0001f3fb-\U0001f3ff"
_PICTURE = rf"(?:[{_ALWAYS}][\ufe0e\ufe0f{_TONE}]*|[{_MAYBE}]\ufe0f)[\U000e0020-\U000e007f]*"
_EMOJI = re.compile(
    rf"[\U0001f1e6-\U0001f1ff]{{1,2}}|[0-9#*]\ufe0f?\u20e3|{_PICTURE}(?:\u200d(?:{_PICTURE}|[{_MAYBE}]))*"
)
_SHORTCODE = re.compile(r"(?<![\w:]):([a-z][a-z0-9_+-]{1,31}):(?![\w:`])")
EMOJI_START = re.compile(rf"^[ \t>]*(?:{_EMOJI.pattern})", re.MULTILINE)

_EMOTICON = re.compile(
    r"(?<![\w:;=])[:;=]['^]?-?[)(DP](?!\w)|(?<!\S)\([:;](?!\S)|(?<!\w)xD+(?!\w)"
    r"|(?<!\S)<3+(?=[ \t]*(?:$|[.!?,)](?!\d)|(?:you|u|this|it|the)\b))"
    r"|(?<![\w^])(?:\^[_.-]?\^|>_+<|T_T|[oO]_[oO]|-_+-)(?![\w^])"
    r"|\([^()\n]{0,12}[‿ᴗᴥ◡╥◕ᵔ][^()\n]{0,12}\)|\(ツ\)|・ω・|ಠ[^\w\s]ಠ|ಠ_ಠ",
    re.MULTILINE,
)
"""Faces and hearts made of signs."""
_NOT_EXCLAIMED = re.compile(
    r"(?<!\S)!==?(?=\s|$)|(?<=[\w)\]])!==?(?=[\w\"'(-])"
    r"|(?<=\d)!(?=[ \t]*(?:[=+*/×÷^)]|[a-z]))|(?<=\bYahoo)!(?=[ \t][a-z]|'s)|(?<=\bKahoot)!(?=[ \t][a-z]|'s)"
)
"""The sign for what is not equal, factorials, and names that end so."""
_INSIDE_WORDS = re.compile(r"(?<=\w)['-](?=\w)|(?<=\d)[.,:](?=\d)")
_JOINT = re.compile(r"(?<=\w)(?:;|[ \t]?[—–]|[ \t]--?(?=[ \t]))[ \t]*(?=\w)")


def no_emojis(reply: Reply) -> Found:
    emojis = len(_EMOJI.findall(reply.raw)) + sum(map(_is_shortcode, _SHORTCODE.findall(reply.raw)))
    emojis += len(_EMOTICON.findall(reply.prose))
    return kept_or_not(emojis > 0, counted(emojis, "emoji"))


@cache
def _is_shortcode(name: str) -> bool:
    try:
        Emoji(name)
    except NoEmoji:
        return False
    return True


def no_exclamation(reply: Reply) -> Found:
    marks = _NOT_EXCLAIMED.sub("", reply.prose).count("!")
    return kept_or_not(marks > 0, counted(marks, "exclamation mark"))


def no_punctuation(reply: Reply) -> Found:
    signs = Counter(_INSIDE_WORDS.sub("", reply.prose))
    marks = sum(number for sign, number in signs.items() if unicodedata.category(sign).startswith("P"))
    rate = marks / max(1, reply.length)
    return Found(0.9 * between(rate, 0.12, 0.0) if marks else 1.0, counted(marks, "punctuation mark"))


def semicolons_and_dashes(reply: Reply) -> Found:
    joints = len(_JOINT.findall(reply.prose))
    wanted = 1 + reply.length // 80
    return Found(min(1.0, joints / wanted), f"{counted(joints, 'joint')} by semicolon or dash, {wanted} wanted")
