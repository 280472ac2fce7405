"""How much of the hidden story a version of it tells: by rules, or by a model that is asked for a score per part."""

import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any

import msgspec

from usergym.environments.turtle.concepts import SMALL_WORDS, concepts, statements, stem, words
from usergym.environments.turtle.story import Part, Story

LONGEST = 150
"""Words of an answer. The longest of our own stories has half as many."""
SHARE_OF_SMALL_WORDS = 0.2
"""Least, in an answer of more than a dozen words: prose has twice that, a heap of keywords hardly any."""
HEDGES = 3
"""So many alternatives make an answer a list of guesses."""

SHARE_ON_STORY = 1 / 3
"""Least share of an answer's telling words that belong to the story. Honest versions in other words have 0.47 to 0.9
(measured on fifteen), heaps of the words that decide our puzzles at most 0.27, other stories of ours 0.23."""
SHARE_ON_STATEMENTS = 0.2
"""The same for a story whose parts have no concepts, so that fewer words are known to belong to it."""
FEW_WORDS = 8
"""Telling words below which the share says nothing."""

HEDGING = frozenset(words("or either maybe perhaps possibly alternatively might"))
FAMILIES = (
    "dream* | hallucinat* | nightmare*",
    "ghost* | haunt* | spirit of",
    "twin | twins",
    "time travel* | time machine | from the future",
    "alien* | extraterrestrial*",
    "robot* | android*",
    "vampire* | werewol* | zombie*",
    "blind | can not see | could not see",
    "deaf | could not hear",
    "poison* | drugged",
    "drunk | drunken",
    "actor* | actress* | film set | rehears* | stage play",
    "coma",
    "amnesia* | lost ~ memory",
    "cannibal* | human flesh",
    "suicide | killed himself | killed herself | hanged himself",
    "prison* | convict*",
    "mannequin* | wax figure* | doll | dolls",
    "serial killer* | murderer*",
    "schizophreni* | split personality | multiple personalit*",
    "affair | cheating on",
    "kidnap* | abduct*",
)
"""Stories that are told again and again behind puzzles of this kind. Two that a story has nothing of make a version of
it a list of theories."""


def objection(answer: str) -> str | None:
    """Why an answer is not judged at all, by rules or by a model: it tells more than one story, or none."""
    said = words(answer)
    if len(said) > LONGEST:
        return f"That is {len(said)} words. Tell it in at most {LONGEST}; it was not judged."
    if sum(word in HEDGING for word in said) >= HEDGES:
        return "That names several possibilities. Tell one version; it was not judged."
    if len(said) > 12 and sum(word in SMALL_WORDS for word in said) < SHARE_OF_SMALL_WORDS * len(said):
        return "That is a list of words. Tell it in whole sentences; it was not judged."
    return None


def off_story(answer: str, story: Story) -> str | None:
    """Why the rules do not judge an answer: keywords for other stories, among which a few must be right."""
    if len(_foreign(answer, story)) >= 2:
        return "That mixes several stories. Tell one version; it was not judged."
    least = SHARE_ON_STORY if all(part.needs for part in story.parts) else SHARE_ON_STATEMENTS
    telling, fitting = _telling(answer, story)
    if telling >= FEW_WORDS and fitting < least * telling:
        return "Most of that has nothing to do with the story; it was not judged."
    return None


def _telling(answer: str, story: Story) -> tuple[int, int]:
    """How many words of an answer tell something that the scene does not, and how many of those are of the story."""
    given = {stem(word) for text in (story.title, story.surface) for word in words(text)}
    known = {stem(word) for text in (story.bottom, *(part.says for part in story.parts)) for word in words(text)}
    patterns = [part.needs for part in story.parts if part.needs] + [fact.on for fact in story.facts]
    regexes = [concept.regex for pattern in patterns for concept in concepts(pattern)]
    said = [word for word in words(answer) if word not in SMALL_WORDS and stem(word) not in given]
    fitting = sum(stem(word) in known or any(regex.search(f" {word} ") for regex in regexes) for word in said)
    return len(said), fitting


def _foreign(answer: str, story: Story) -> list[str]:
    told = statements(answer)
    behind = [" ".join(("", *words(text), "")) for text in (story.surface, story.bottom)]
    found = []
    for family in FAMILIES:
        (concept,) = concepts(family)
        if any(concept.said(each) for each in told) and not any(concept.regex.search(text) for text in behind):
            found.append(family)
    return found


def by_rules(answer: str, story: Story) -> list[float]:
    """A score of 0, 0.5 or 1 for each part. What the scene itself says already earns nothing."""
    told = statements(answer)
    if any(not part.needs for part in story.parts):
        return [_by_statement(told, part, story) for part in story.parts]
    given = statements(story.surface)
    scores = [(_by_concepts(told, part), _by_concepts(given, part)) for part in story.parts]
    return [score if score > free else 0.0 for score, free in scores]


def _by_concepts(told: Sequence[str], part: Part) -> float:
    """1 if all concepts of the part are said in two sentences that follow one another, 0.5 if the decisive one and
    half of all are; 0 if anything is said against it."""
    if part.against and any(group.said(each) for group in concepts(part.against) for each in told):
        return 0.0
    groups = concepts(part.needs)
    best = 0.0
    for each in told:
        said = [group.said(each) is not None for group in groups]
        if all(said):
            return 1.0
        if said[0] and 2 * sum(said) >= len(said):
            best = 0.5
    return best


def _by_statement(told: Sequence[str], part: Part, story: Story) -> float:
    """For a part of which only a statement is known: 1 if three quarters of its words that the surface does not give
    away are said in two sentences that follow one another, 0.5 if half are."""
    given = {stem(word) for word in words(story.surface)}
    wanted = {stem(word) for word in words(part.says) if word not in SMALL_WORDS | _ABOUT}
    wanted = (wanted - given) or wanted
    share = max((len(wanted & {stem(word) for word in each.split()}) / len(wanted) for each in told), default=0.0)
    return 1.0 if share >= 0.75 else 0.5 if share >= 0.5 else 0.0


_ABOUT = frozenset(words("story reveals reveal includes include explained explains mentions must actually rather than"))


# The model as judge.


def question(answer: str, story: Story) -> str:
    numbered = "\n".join(f"part_{n}: {part.says}" for n, part in enumerate(story.parts, 1))
    return _prompt().substitute(
        surface=story.surface, bottom=story.bottom, parts=numbered, answer=json.dumps(answer, ensure_ascii=False)
    )


def schema(story: Story) -> dict[str, Any]:
    names = [f"part_{n}" for n in range(1, len(story.parts) + 1)]
    scores = {name: {"type": "number", "enum": [0, 0.5, 1]} for name in names}
    properties = {"reasoning": {"type": "string"}, **scores}
    return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}


def read_scores(verdict: str, story: Story) -> list[float] | None:
    """The scores of a verdict; None if it is not one."""
    try:
        found = msgspec.json.decode(verdict)
    except (msgspec.DecodeError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    scores = [found.get(f"part_{n}") for n in range(1, len(story.parts) + 1)]
    if any(isinstance(score, bool) or score not in (0, 0.5, 1) for score in scores):
        return None
    return [float(score) for score in scores if score is not None]


def overall(scores: Sequence[float], story: Story) -> float:
    return round(sum(part.weight * score for part, score in zip(story.parts, scores, strict=True)), 6)


def feedback(scores: Sequence[float]) -> str:
    """How many parts fit, and never which."""
    whole, half = sum(score == 1 for score in scores), sum(score == 0.5 for score in scores)
    partly = f", {half} partly" if half else ""
    return f"Of the {len(scores)} parts of the story, {whole} fit{partly}."


@cache
def _prompt() -> Template:
    path = files("usergym.environments.turtle") / "prompts" / "judge.md"
    return Template(path.read_text(encoding="utf-8").strip())
