"""Rules that measure: how long a reply is, how long its sentences and words are, whether it is in verse."""

from usergym.users.styles.lists import item_line
from usergym.users.styles.reply import WORD, Found, Reply, between, counted

HEADLINE = 12
"""Words that a heading may have before it is a sentence."""


def very_short(reply: Reply) -> Found:
    return Found(between(reply.length, 75, 25), counted(reply.length, "word"))


def short(reply: Reply) -> Found:
    return Found(between(reply.length, 180, 60), counted(reply.length, "word"))


def long(reply: Reply) -> Found:
    """Words of sentences said before, and a word said twice in a row, do not count."""
    words = 0
    for sentence in {sentence.words: None for sentence in reply.sentences}:
        words += sum(word != before for word, before in zip(sentence, ("", *sentence), strict=False))
    return Found(between(words, 30, 120), counted(words, "word") + " that repeat nothing")


def _letters(reply: Reply) -> float:
    """Mean letters of a word in the prose; a word counts 14 of them at most."""
    words = WORD.findall(reply.prose)
    return sum(min(len(word), 14) for word in words) / len(words) if words else 0.0


def simple_words(reply: Reply) -> Found:
    mean = _letters(reply)
    return Found(between(mean, 6.0, 4.6) if mean else 0.0, f"{mean:.1f} letters a word")


def rich_words(reply: Reply) -> Found:
    mean = _letters(reply)
    return Found(between(mean, 4.2, 5.6), f"{mean:.1f} letters a word")


def _words_a_sentence(reply: Reply) -> float:
    """Mean words of a sentence; a sentence counts 40 of them at most, and a heading is one only if it is long."""
    told = [each for each in reply.sentences if not each.heading or len(each.words) > HEADLINE]
    lengths = [min(len(sentence.words), 40) for sentence in told or reply.sentences]
    return sum(lengths) / len(lengths) if lengths else 0.0


def short_sentences(reply: Reply) -> Found:
    mean = _words_a_sentence(reply)
    return Found(between(mean, 25, 12) if mean else 0.0, f"{mean:.1f} words a sentence")


def long_sentences(reply: Reply) -> Found:
    mean = _words_a_sentence(reply)
    return Found(between(mean, 8, 20), f"{mean:.1f} words a sentence")


def in_verse(reply: Reply) -> Found:
    """Lines that are said again count once."""
    lines = dict.fromkeys(line.strip() for line in reply.lines if WORD.search(line))
    verse = [line for line in lines if 2 <= len(WORD.findall(line)) <= 12 and not item_line(line)]
    share = len(verse) / max(1, len(lines))
    return Found(share * min(1.0, len(verse) / 4), f"{counted(len(verse), 'line')} of verse among {len(lines)}")
