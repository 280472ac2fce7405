"""How the rule-based user changes its mind.

It holds a level from 0 (Strongly Agree) to 6 (Strongly Disagree) and moves by at most one a message.

| the message | what happens |
|---|---|
| insults | one level back, and what was acknowledged is forgotten |
| repeats an earlier one | one level back |
| has under 8 or over 180 words, or no proper sentence | nothing |
| brings one or two points that were not taken in before | the stronger of them is taken in |
| brings three or more at once (a wall) | one of them is taken in; of a second wall nothing |
| brings nothing on the topic | nothing |

After a message that brought a point, new or not, or met a need, it moves forward as far as what was taken in carries
it, one level for each point, and no further than its needs allow: to level 2 until a reason of its own was
acknowledged, to 3 until one of its reasons was answered, to 5 until some evidence was given.

A point is brought by a proper sentence that holds words of it with a weight of 2 together, two of them words that the
user does not say itself: further words weigh 1.5, others of its text 1, divided among the points that have the word;
words of the topic or of the user's argument only support with 0.3, since saying them back is no argument; words of the
claim weigh nothing. Of a claim without points (other people's files), a point is any message on the topic (two words of
the claim or the argument) that joins its thoughts ("because", "however") and brings six words which nobody has said.
"""

from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

from usergym.environments.persuasion import speech
from usergym.environments.persuasion.claims import LAST, Claim
from usergym.judges.words import stems

ENOUGH = 2.0
ECHO = 0.3
"""The weight of a word that the user says itself."""
NEW_WORDS = 6
WALL = 3
UNACKNOWLEDGED, UNANSWERED, UNPROVEN = 2, 3, 5
"""The highest level while a need is not met."""

Reaction = Literal[
    "moved",
    "convinced",
    "insulted",
    "repeated",
    "asked",
    "thin",
    "long",
    "wall",
    "known",
    "noted",
    "off_topic",
    "unacknowledged",
    "unanswered",
    "unproven",
]


class Mind:
    """What one user has taken in so far."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.weights = _weights(claim)
        self.level = 0
        self.taken: list[int] = []
        """Points in the order in which they were taken in; of a claim without points, numbers."""
        self.answered = not claim.reasons
        self.acknowledged = False
        self.proven = False
        self.walls = 0
        self.heard: list[str] = []
        self.reasons = frozenset(stems(" ".join(claim.reasons)))
        self.topic = self.reasons | frozenset(stems(f"{claim.claim} {claim.argument}"))
        self.said = set(self.topic)

    def listen(self, message: str) -> Reaction:
        """Takes one message in."""
        earlier = list(self.heard)
        self.heard.append(message)
        if speech.insults(message):
            self.acknowledged = False
            self.level = max(0, self.level - 1)
            return "insulted"
        if speech.repeats(message, earlier):
            self.level = max(0, self.level - 1)
            return "repeated"
        proper = speech.proper_sentences(message)
        length = len(message.split())
        if length > speech.LONGEST:
            return "long"
        if length < speech.SHORTEST or not proper:
            return "asked" if "?" in message else "thin"
        return self.weigh(message, proper)

    def weigh(self, message: str, proper: list[str]) -> Reaction:
        brought = self.brought(proper) if self.claim.points else self.novelty(message)
        new = [point for point in brought if point not in self.taken]
        before = (self.acknowledged, self.proven)
        self.acknowledged |= speech.acknowledges(message, self.reasons)
        self.proven |= bool(brought) and any(map(speech.gives_evidence, proper))
        wall = len(new) >= WALL
        self.walls += wall
        if wall and self.walls > 1:
            return "wall"
        if new:
            self.take(new[0], message)
        elif not brought and before == (self.acknowledged, self.proven):
            return "asked" if "?" in message else "off_topic"
        reaction = self.move(bool(new))
        return "noted" if reaction == "known" and not brought else reaction

    def take(self, point: int, message: str) -> None:
        self.taken.append(point)
        if self.claim.points:
            self.answered |= self.claim.points[point].answers is not None
        else:
            said = frozenset(stems(message))
            self.answered |= any(len(said & frozenset(stems(reason))) >= 2 for reason in self.claim.reasons)

    def move(self, new: bool) -> Reaction:
        if self.level < min(len(self.taken), self.ceiling()):
            self.level += 1
            return "convinced" if self.level == LAST else "moved"
        if not new and self.level >= len(self.taken):
            return "known"
        if not self.acknowledged:
            return "unacknowledged"
        return "unproven" if self.answered else "unanswered"

    def ceiling(self) -> int:
        if not self.acknowledged:
            return UNACKNOWLEDGED
        if not self.answered:
            return UNANSWERED
        return LAST if self.proven else UNPROVEN

    def brought(self, proper: list[str]) -> list[int]:
        """The points of a message, the strongest first."""
        strength: dict[int, float] = {}
        for sentence in proper:
            said = set(stems(sentence))
            for place, weights in enumerate(self.weights):
                found = [weight for word, weight in weights.items() if word in said]
                if sum(found) >= ENOUGH and sum(weight != ECHO for weight in found) >= 2:
                    strength[place] = max(strength.get(place, 0.0), sum(found))
        return sorted(strength, key=lambda place: (-strength[place], place))

    def novelty(self, message: str) -> list[int]:
        """A number for a message that brings something new on a claim without points."""
        said = set(stems(" ".join(speech.proper_sentences(message))))
        new = said - self.said
        self.said |= said
        if len(said & self.topic) >= 2 and len(new) >= NEW_WORDS and speech.connects(message):
            return [len(self.taken)]
        return []

    def left(self) -> list[int]:
        """The points that were not taken in."""
        return [place for place in range(len(self.claim.points)) if place not in self.taken]


@lru_cache(maxsize=256)
def _weights(claim: Claim) -> tuple[Mapping[str, float], ...]:
    known = frozenset(stems(claim.claim))
    said = frozenset(stems(" ".join((claim.argument, *(point.topic for point in claim.points)))))
    raw = [
        dict.fromkeys(stems(f"{point.topic} {point.text}"), 1.0) | dict.fromkeys(stems(point.words), 1.5)
        for point in claim.points
    ]
    shared = Counter(word for weights in raw for word in weights)
    return tuple(
        {word: ECHO if word in said else weight / shared[word] for word, weight in weights.items() if word not in known}
        for weights in raw
    )
