"""Exact rules of style: each says without a model how far a reply keeps to it, and what it saw."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from usergym.types import Record
from usergym.users.styles import lists, manners, markup, measures, person, register, surface
from usergym.users.styles.reply import Found, Reply
from usergym.users.styles.spec import StyleSpec


@dataclass(frozen=True)
class Rule:
    """One exact scorer."""

    name: str
    axis: str
    """The axis of `spec.POLES` that it measures."""
    wants: str
    """What a reply must do to keep it."""
    look: Callable[[Reply], Found]

    def check(self, reply: str) -> float:
        """1.0 fully kept, 0.0 broken. A reply without a word keeps no rule."""
        return self.found(Reply(reply)).score

    def found(self, reply: Reply) -> Found:
        if not reply.words:
            return Found(0.0, "no words")
        return self.look(reply)


class Verdict(Record, frozen=True, omit_defaults=False):
    """One rule about one reply."""

    rule: str
    score: float
    what: str
    """What was found, in words: `2 list items`."""


_EVERY = (
    Rule("very_short", "length", "25 words or fewer; 0 at 75", measures.very_short),
    Rule("short", "length", "60 words or fewer; 0 at 180", measures.short),
    Rule("long", "length", "120 words or more that repeat nothing; 0 at 30", measures.long),
    Rule("simple_words", "words", "at most 4.6 letters a word; 0 at 6", measures.simple_words),
    Rule("rich_words", "words", "at least 5.6 letters a word; 0 at 4.2", measures.rich_words),
    Rule(
        "short_sentences",
        "sentences",
        "at most 12 words a sentence; 0 at 25",
        measures.short_sentences,
    ),
    Rule("long_sentences", "sentences", "at least 20 words a sentence; 0 at 8", measures.long_sentences),
    Rule("in_verse", "register", "four lines or more of 2 to 12 words, and no others", measures.in_verse),
    Rule("informal", "register", "a contraction or casual word for every 50 words, no formal ones", register.informal),
    Rule("formal", "register", "no contractions, no casual words", register.formal),
    Rule("no_punctuation", "punctuation", "no punctuation outside words and numbers", surface.no_punctuation),
    Rule(
        "semicolons_and_dashes",
        "punctuation",
        "a semicolon or dash between words for every 80 words",
        surface.semicolons_and_dashes,
    ),
    Rule("no_exclamation", "exclamation", "no exclamation mark", surface.no_exclamation),
    Rule("no_emojis", "emojis", "no emoji", surface.no_emojis),
    Rule("no_first_person", "person", "no I, me, my, we, us, our or the like", person.no_first_person),
    Rule("no_lists", "lists", "no list, not even one in disguise", lists.no_lists),
    Rule("tame_lists", "lists", f"no list of more than {lists.LONGEST} items, none inside another", lists.tame_lists),
    Rule("has_lists", "lists", "three different list items or more", lists.has_lists),
    Rule("no_formatting", "formatting", "no Markdown or HTML formatting; lists do not count", markup.no_formatting),
    Rule(
        "sparse_formatting",
        "formatting",
        "one mark of formatting at most for every 100 words",
        markup.sparse_formatting,
    ),
    Rule("has_formatting", "formatting", "formatting of two kinds or more, a list being one", markup.has_formatting),
    Rule("no_praise", "praise", "no praise of the user or the question", manners.no_praise),
    Rule("no_filler", "filler", "no filler at the beginning or later", manners.no_filler),
    Rule("no_stock_phrases", "filler", "no turn of phrase that machines are known by", manners.no_stock_phrases),
    Rule("no_followup", "followup", "no offer of more help, no question at the end", manners.no_followup),
    Rule("has_followup", "followup", "a question among the last two sentences", manners.has_followup),
    Rule("asks_question", "followup", "a question anywhere", manners.asks_question),
    Rule("question_first", "order", "a question among the first two sentences", manners.question_first),
    Rule(
        "answer_first",
        "order",
        "a first sentence that greets, announces, restates and asks nothing",
        manners.answer_first,
    ),
    Rule("no_hedging", "hedging", "no hedge", manners.no_hedging),
    Rule("single_answer", "options", "no mention of another option", manners.single_answer),
)

RULES: Mapping[str, Rule] = {rule.name: rule for rule in _EVERY}


def verdicts(styles: Iterable[StyleSpec], reply: str) -> list[Verdict]:
    """What every rule of the styles says, each once, in the order of the styles."""
    read = Reply(reply)
    found = {name: RULES[name].found(read) for style in styles for name in style.rules}
    return [Verdict(name, each.score, each.what) for name, each in found.items()]


def score(styles: Iterable[StyleSpec], reply: str) -> float | None:
    """Mean over all rules of the styles, each once, in [0, 1]; None where no rule is exact."""
    given = verdicts(styles, reply)
    return sum(each.score for each in given) / len(given) if given else None
