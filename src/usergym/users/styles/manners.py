"""Rules about manners: praise, filler, offers and questions, what comes first, hedges and options."""

import re

from usergym.users.styles.phrases import occurrences, opener, quoted, words_of
from usergym.users.styles.reply import Found, Reply, Sentence, counted, kept_or_not


def _heard(found: list[str], noun: str) -> Found:
    return kept_or_not(bool(found), counted(len(found), noun) + (f": {quoted(found)}" if found else ""))


def no_praise(reply: Reply) -> Found:
    found = occurrences(reply.flowing, "praise")
    told = dict.fromkeys([*reply.sentences, *reply.flowing])
    found += [praise for sentence in told if (praise := _praise(sentence) or _praise_of_yours(sentence))]
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
                    and (words[end], *after) != ("start", "to")
                ):
                    return " ".join(words[place : end + 1])
        elif word not in leads and not word.endswith("ly"):
            return None
    return None


def _praise_of_yours(sentence: Sentence) -> str | None:
    """`Your question is really great`."""
    words = sentence.words
    if len(words) < 4 or words[0] != "your" or words[1] not in words_of("praise", "nouns") or words[2] != "is":
        return None
    praised = next((word for word in words[3:6] if word in words_of("praise", "adjectives")), None)
    return f"your {words[1]} is {praised}" if praised else None


def no_filler(reply: Reply) -> Found:
    first = [opened for sentence in reply.sentences[:1] if (opened := opener(sentence, "filler"))]
    return _heard(first + occurrences(reply.flowing, "filler"), "filler")


def no_stock_phrases(reply: Reply) -> Found:
    return _heard(occurrences(reply.flowing, "stock"), "stock phrase")


def _asked_at_the_end(reply: Reply) -> bool:
    return any(sentence.asks for sentence in reply.sentences[-2:])


def no_followup(reply: Reply) -> Found:
    offers = occurrences(reply.flowing, "followup")
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
    first = any(sentence.asks for sentence in _beginning(reply, 2))
    return kept_or_not(not first, "a question at the beginning" if first else "no question at the beginning")


def _beginning(reply: Reply, count: int) -> list[Sentence]:
    """The first sentences, and the headings that stand among them."""
    seen: list[Sentence] = []
    for sentence in reply.sentences:
        seen.append(sentence)
        count -= not sentence.heading
        if count == 0:
            break
    return seen


def answer_first(reply: Reply) -> Found:
    """Headings before the first sentence may ask or announce, but not greet."""
    beginning = _beginning(reply, 1)
    if not beginning:
        return Found(0.0, "no sentence")
    for each in beginning:
        opened = opener(each, "preamble") or opener(each, "filler") or _praise(each)
        if opened is None and set(each.words) <= words_of("praise", "adjectives"):
            opened = " ".join(each.words)
        if opened:
            return Found(0.0, f'begins with "{opened}"')
    first = beginning[-1]
    if first.asks:
        return Found(0.0, "begins with a question")
    if re.search(r":[\W_]*\Z", first.text[-40:]):
        return Found(0.0, "begins with an announcement")
    return Found(1.0, "begins with the answer")


def no_hedging(reply: Reply) -> Found:
    return _heard(occurrences(reply.flowing, "hedging"), "hedge")


def single_answer(reply: Reply) -> Found:
    return _heard(occurrences(reply.flowing, "options"), "other option")
