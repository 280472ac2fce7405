"""Rules about manners: praise, filler, offers and questions, what comes first, hedges and options."""

import re

from usergym.users.styles.phrases import occurrences, opener, quoted, words_of
from usergym.users.styles.reply import Found, Reply, Sentence, counted, kept_or_not


def _heard(found: list[str], noun: str) -> Found:
    return kept_or_not(bool(found), counted(len(found), noun) + (f": {quoted(found)}" if found else ""))


def no_praise(reply: Reply) -> Found:
    found = occurrences(reply.sentences, "praise")
    found += [praise for sentence in reply.sentences if (praise := _praise(sentence))]
    if reply.sentences and set(reply.sentences[0].words) <= words_of("praise", "adjectives"):
        found.append(" ".join(reply.sentences[0].words))
    return _heard(found, "compliment")


def _praise(sentence: Sentence) -> str | None:
    """Praise of what was asked: `great question`, `that's a really good point`; not `a good question to ask is`."""
    words = sentence.words
    adjectives, nouns = words_of("praise", "adjectives"), words_of("praise", "nouns")
    leads, follows = words_of("praise", "leads"), words_of("praise", "follows")
    for place, word in enumerate(words[:10]):
        if word in adjectives:
            for end in range(place + 1, min(place + 3, len(words))):
                after = words[end + 1 : end + 2]
                if (
                    words[end] in nouns
                    and words[:place] not in (("a",), ("an",))
                    and (not after or after[0] in follows)
                ):
                    return " ".join(words[place : end + 1])
        elif word not in leads:
            return None
    return None


def no_filler(reply: Reply) -> Found:
    first = [opened for sentence in reply.sentences[:1] if (opened := opener(sentence, "filler"))]
    return _heard(first + occurrences(reply.sentences, "filler"), "filler")


def no_stock_phrases(reply: Reply) -> Found:
    return _heard(occurrences(reply.sentences, "stock"), "stock phrase")


def _asked_at_the_end(reply: Reply) -> bool:
    return any(sentence.asks for sentence in reply.sentences[-2:])


def no_followup(reply: Reply) -> Found:
    offers = occurrences(reply.sentences, "followup")
    if offers:
        return _heard(offers, "offer")
    asked = _asked_at_the_end(reply)
    return kept_or_not(asked, "a question at the end" if asked else "no offer, no question at the end")


def has_followup(reply: Reply) -> Found:
    asked = _asked_at_the_end(reply)
    return kept_or_not(not asked, "a question at the end" if asked else "no question at the end")


def asks_question(reply: Reply) -> Found:
    questions = sum(sentence.asks for sentence in reply.sentences)
    return kept_or_not(not questions, counted(questions, "question"))


def question_first(reply: Reply) -> Found:
    first = any(sentence.asks for sentence in reply.sentences[:2])
    return kept_or_not(not first, "a question at the beginning" if first else "no question at the beginning")


def answer_first(reply: Reply) -> Found:
    if not reply.sentences:
        return Found(0.0, "no sentence")
    first = reply.sentences[0]
    opened = opener(first, "preamble") or opener(first, "filler") or _praise(first)
    if opened is None and set(first.words) <= words_of("praise", "adjectives"):
        opened = " ".join(first.words)
    if opened:
        return Found(0.0, f'begins with "{opened}"')
    if first.asks:
        return Found(0.0, "begins with a question")
    if re.search(r":[\W_]*\Z", first.text[-40:]):
        return Found(0.0, "begins with an announcement")
    return Found(1.0, "begins with the answer")


def no_hedging(reply: Reply) -> Found:
    return _heard(occurrences(reply.sentences, "hedging"), "hedge")


def single_answer(reply: Reply) -> Found:
    return _heard(occurrences(reply.sentences, "options"), "other option")
