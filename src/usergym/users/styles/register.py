"""Rules about register: contractions and casual words against spelt-out forms and formal connectives."""

from collections.abc import Iterator

from usergym.users.styles.phrases import occurrences, quoted
from usergym.users.styles.reply import Found, Reply, between, counted

_AUXILIARIES = (
    *("do", "does", "did", "is", "are", "was", "were", "has", "have", "had", "would", "could", "should", "can", "will"),
    *("must", "need", "might"),
)
_IS_SHORT = frozenset(
    ("it", "that", "what", "there", "here", "who", "let", "he", "she", "how", "where", "when", "why", "everything")
)
"""Words whose 's is a contraction; that of others is a possession."""
_SPELT_OUT = {
    **{(word, "not"): True for word in _AUXILIARIES},
    **{(word, "is"): True for word in ("it", "that", "what", "there", "here", "who", "he", "she")},
    **{(word, "are"): True for word in ("you", "we", "they")},
    **{(word, "will"): True for word in ("i", "you", "he", "she", "it", "we", "they", "that")},
    ("i", "am"): True,
}
_ENDINGS = ("n't", "'re", "'ve", "'ll", "'m", "'d")


def _is_contraction(word: str) -> bool:
    stem, _, ending = word.rpartition("'")
    return word.endswith(_ENDINGS) or (ending == "s" and stem in _IS_SHORT)


def _contractions(reply: Reply) -> list[str]:
    return [word for sentence in reply.sentences for word in sentence.words if "'" in word and _is_contraction(word)]


def _spelt_out(reply: Reply) -> Iterator[str]:
    for sentence in reply.sentences:
        for pair in zip(sentence.words, sentence.words[1:], strict=False):
            if pair in _SPELT_OUT:
                yield " ".join(pair)


def informal(reply: Reply) -> Found:
    casual = set(_contractions(reply)) | set(occurrences(reply.flowing, "casual"))
    formal = [*_spelt_out(reply), *occurrences(reply.flowing, "formal")]
    wanted = 1 + reply.length // 50
    enough = min(1.0, len(casual) / wanted)
    score = enough * len(casual) / max(1, len(casual) + len(formal))
    what = f"{counted(len(casual), 'casual form')}, {wanted} wanted"
    return Found(score, what + (f"; {counted(len(formal), 'formal one')}: {quoted(formal)}" if formal else ""))


def formal(reply: Reply) -> Found:
    casual = [*_contractions(reply), *occurrences(reply.flowing, "casual")]
    if not casual:
        return Found(1.0, "no casual form")
    rate = len(casual) / max(1, reply.length)
    return Found(0.9 * between(rate, 0.05, 0.0), f"{counted(len(casual), 'casual form')}: {quoted(casual)}")
