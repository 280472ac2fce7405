"""How far a text says what a person really said, without a model: dense, exact at both ends, and fast.

For a truth G, whose clauses are the key points (1 to 3; more clauses than that share them), and a text T:

    score     = clip(C - P, 0, 1),  C = mean over key points of match,  P = C (1 - Q L)     hence score = C Q L
    match     = R                                   of a clause, against all words of T
    match     = A (0.7 + 0.3 D) (0.2 + 0.8 R)       of a clause that names an attitude, against the clause of T where
                                                    this is largest, and times 1 - R' where another clause of T
                                                    says the opposite of the same target
    R         = 0.9 recall + 0.1 order
    recall    = the share of the clause's tokens that T has, each by its closest token of T
    order     = the share of the clause's pairs of neighbouring tokens that T has
    Q         = the share of T's tokens that G has, each token of G supporting as many as it occurs
    L         = min(1, (1.5 |G| + 10) / |T|)        in characters
    A         = 1 the same attitude in the same word, 0.9 in another, 0.35 one of the same side, 0.3 where T names none,
                0.05 the other side;  D = 1, 0.5 or 0 as the degrees are 0, 1 or 2 steps apart

Tokens are stems of words that carry meaning; a denied one is another token, and a token that T both says and denies
counts for nothing. Closeness of two tokens: 1 if they are the same, else the cosine of hashed letter embeddings where
it is 0.55 or more, else 0. Attitudes are looked for at the levels `stance` and `emotion`. A token that the context
gives away counts 0.35 instead of 1, in recall and in Q.

An exact copy is 1, nothing in common is 0. Listing several guesses of which one is right gives no more than making one
of them; repeating a word adds nothing to C and takes from Q; a dump of many words has a Q and an L near 0.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise

from usergym.judges.alignment_scores import Alignment
from usergym.judges.alignment_text import DENIED, Clause, clauses, closeness, every_word
from usergym.judges.words import stem, words

POINTS = 3
GIVEN = 0.35
ORDER = 0.1
LENGTH, SLACK = 1.5, 10
"""So many times the truth's characters, and so many more, are no fault."""

REMEMBERED = 1_000
"""Words whose closeness to those of one truth is kept."""

SAME_FAMILY, SAME_SIDE, UNSAID, OTHER_SIDE = 0.9, 0.35, 0.3, 0.05
DEGREE = 0.3
FITS = 0.5
"""Least match of a clause that the truth says too: mixed feelings are no contradiction where the truth has them."""
ATTITUDE = 0.2
"""What an attitude is worth without its target."""


def overlap(truth: str, texts: Sequence[str], *, level: str, context: str = "") -> list[Alignment]:
    """How far each text says what `truth` says at `level`, as at the head of this module; in the order of the texts.

    `context`: what was said before, which a text can merely repeat. ValueError for a truth without a single sign.
    """
    against = _truth(truth, level, context)
    return [against.judge(text) for text in texts]


def key_points(truth: str, level: str) -> list[list[Clause]]:
    """The clauses of a truth in 1 to 3 groups of neighbours, about equally long."""
    found = clauses(truth, level) or [Clause(None, "", 2, tuple(every_word(truth)))]
    if len(found) <= POINTS:
        return [[clause] for clause in found]
    whole = sum(clause.weight for clause in found)
    groups: list[list[Clause]] = [[]]
    before = 0
    for place, clause in enumerate(found):
        due = before >= whole * len(groups) / POINTS or len(found) - place <= POINTS - len(groups)
        if groups[-1] and due and len(groups) < POINTS:
            groups.append([])
        groups[-1].append(clause)
        before += clause.weight
    return groups


class _Wanted:
    """A clause of a truth, and what a text needs to have of it."""

    def __init__(self, clause: Clause, weights: Mapping[str, float]) -> None:
        self.clause = clause
        self.weights = {token: weights[token] for token in clause.tokens}
        self.whole = sum(self.weights.values())
        self.pairs = set(pairwise(clause.tokens))

    def said(self, heard: "_Heard") -> float:
        """R; 1 of a clause without a token."""
        if not self.weights:
            return 1.0
        best = heard.best
        recall = sum(weight * best[token] for token, weight in self.weights.items() if token in best) / self.whole
        if not self.pairs or not recall:
            return recall
        return (1 - ORDER) * recall + ORDER * len(self.pairs & heard.pairs) / len(self.pairs)


class _Heard:
    """Which tokens of a truth, and which pairs of tokens, a piece of text has."""

    def __init__(self, truth: "_Truth", tokens: Sequence[str]) -> None:
        self.best: dict[str, float] = {}
        self.pairs = set(pairwise(tokens))
        unique = set(tokens)
        for token in unique:
            for each, value in truth.near(token):
                if value > self.best.get(each, 0.0):
                    self.best[each] = value
        for token in [each for each in self.best if each not in truth.both and _denial(each) in unique]:
            del self.best[token]


class _Truth:
    """A truth made ready: many texts are judged against one."""

    def __init__(self, truth: str, level: str, context: str) -> None:
        groups = key_points(truth, level)
        said = [clause for group in groups for clause in group]
        if not said[0].weight:
            raise ValueError("a truth that says nothing cannot be aligned with; leave its row out")
        self.level = level
        self.bare = not clauses(truth, level)
        self.length = len(truth.strip())
        self.room = Counter(token for clause in said for token in clause.tokens)
        self.both = {token for token in self.room if _denial(token) in self.room}
        self.attitudes = [clause for clause in said if clause.attitude is not None]
        given = {stem(word) for word in words(context)} if context else set()
        self.weights = {token: GIVEN if token.lstrip(DENIED) in given else 1.0 for token in self.room}
        self.points = [[_Wanted(clause, self.weights) for clause in group] for group in groups]
        self._near: dict[str, tuple[tuple[str, float], ...]] = {}

    def judge(self, text: str) -> Alignment:
        found = [Clause(None, "", 2, tuple(every_word(text)))] if self.bare else clauses(text, self.level)
        if not any(clause.weight for clause in found):
            return Alignment(0.0, 0.0, 0.0, (0.0,) * len(self.points))
        matches = self._by_attitude(found) if self.attitudes else self._by_words(found)
        coverage = sum(matches) / len(matches)
        if not coverage:
            return Alignment(0.0, 0.0, 0.0, tuple(matches))
        kept = self._supported(found) * min(1.0, (LENGTH * self.length + SLACK) / len(text.strip()))
        return Alignment(coverage * kept, coverage, coverage * (1 - kept), tuple(matches))

    def _by_words(self, found: Sequence[Clause]) -> list[float]:
        heard = _Heard(self, [token for clause in found for token in clause.tokens])
        return [_mean(point, [wanted.said(heard) for wanted in point]) for point in self.points]

    def _by_attitude(self, found: Sequence[Clause]) -> list[float]:
        heard = [_Heard(self, clause.tokens) for clause in found]
        targets = [[[wanted.said(each) for each in heard] for wanted in point] for point in self.points]
        values = [
            [
                [_match(wanted.clause, *pair) for pair in zip(found, row, strict=True)]
                for wanted, row in zip(point, rows, strict=True)
            ]
            for point, rows in zip(self.points, targets, strict=True)
        ]
        fits = [max(row[place] for rows in values for row in rows) for place in range(len(found))]
        matches = []
        for point, rows, reached in zip(self.points, values, targets, strict=True):
            kept = [
                max(row) * (1 - _denied(wanted.clause, found, target, fits))
                for wanted, row, target in zip(point, rows, reached, strict=True)
            ]
            matches.append(_mean(point, kept))
        return matches

    def _supported(self, found: Sequence[Clause]) -> float:
        """Q: the share of what is said that the truth says too."""
        room, left = dict(self.room), []
        good = bad = 0.0
        for clause in found:
            for token in clause.tokens:
                if room.get(token):
                    room[token] -= 1
                    good += self.weights[token]
                else:
                    left.append(token)
        for token in left:
            near = next((pair for pair in self.near(token) if room.get(pair[0])), None)
            if near is None:
                bad += 1
                continue
            room[near[0]] -= 1
            good += near[1] * self.weights[near[0]]
            bad += (1 - near[1]) * self.weights[near[0]]
        free = len(self.attitudes)
        for clause in found:
            if clause.attitude is not None:
                fit = max(_same(each, clause) for each in self.attitudes) if free else 0.0
                free -= fit > OTHER_SIDE
                good += fit
                bad += 1 - fit
        return good / (good + bad)

    def near(self, token: str) -> tuple[tuple[str, float], ...]:
        """The tokens of the truth that are close to one of a text, the closest first."""
        known = self._near.get(token)
        if known is None:
            found = [(each, value) for each in self.room if (value := closeness(token, each))]
            found.sort(key=lambda pair: -pair[1])
            if len(self._near) >= REMEMBERED:
                self._near.clear()
            known = self._near[token] = tuple(found)
        return known


def _match(wanted: Clause, clause: Clause, target: float) -> float:
    if wanted.attitude is None:
        return target
    if clause.attitude is None:
        return UNSAID * target if wanted.tokens else 0.0
    degree = 1 - abs(wanted.degree - clause.degree) / 2
    return _same(wanted, clause) * (1 - DEGREE + DEGREE * degree) * (ATTITUDE + (1 - ATTITUDE) * target)


def _same(wanted: Clause, clause: Clause) -> float:
    """A: how near the attitudes of two clauses are."""
    if wanted.attitude is None or clause.attitude is None:
        return 0.0
    if wanted.attitude == clause.attitude:
        return 1.0 if wanted.named == clause.named else SAME_FAMILY
    return OTHER_SIDE if _opposed(wanted, clause) else SAME_SIDE


def _opposed(wanted: Clause, clause: Clause) -> bool:
    """Whether two clauses name attitudes of two sides, neither of which is `unsure` or `even`."""
    sides = {each.attitude.side for each in (wanted, clause) if each.attitude is not None}
    return len(sides) == 2 and not sides & {"unsure", "even"}


def _denied(wanted: Clause, found: Sequence[Clause], targets: Sequence[float], fits: Sequence[float]) -> float:
    """R' of the clause that says the opposite about the target of `wanted`, and fits no clause of the truth itself."""
    rivals = zip(found, targets, fits, strict=True)
    return max((target for clause, target, fit in rivals if fit < FITS and _opposed(wanted, clause)), default=0.0)


def _mean(point: Sequence[_Wanted], matches: Sequence[float]) -> float:
    """Of a key point's clauses, by how much each says."""
    if len(point) == 1:
        return matches[0]
    whole = sum(wanted.clause.weight for wanted in point)
    return sum(value * wanted.clause.weight for value, wanted in zip(matches, point, strict=True)) / whole


def _denial(token: str) -> str:
    return token[len(DENIED) :] if token.startswith(DENIED) else DENIED + token


@lru_cache(maxsize=1024)
def _truth(truth: str, level: str, context: str) -> _Truth:
    return _Truth(truth, level, context)
