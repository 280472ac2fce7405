"""How far a text says what a person really said, without a model: dense, exact at both ends, and fast.

For a truth G, whose clauses are the key points (1 to 3; more clauses than that share them, each by how many tokens and
attitudes it has), and a text T:

    score     = clip(C - P, 0, 1),  C = mean over key points of match,  P = C (1 - K),  K = Q L W V
    match     = R M                                 of a clause, against all words of T
    match     = A (0.7 + 0.3 D) (0.2 + 0.8 R)       of a clause that names an attitude, against the clause of T where
                                                    this is largest, and times 1 - R' where another clause of T
                                                    says the opposite of the same target
    match     = 0.1 (0.7 + 0.3 D) R                 of such a clause against one of T that names none; 0 if G's names
                                                    nothing else
    R         = 0.6 recall + 0.4 order              0.9 and 0.1 at `response`; recall halved where T denies a token
                                                    of its own; recall alone, of a clause of one token; 1 of none
    recall    = the share of the clause's tokens that T has, each by its closest token of T
    order     = the share of the clause's pairs of neighbouring tokens that T has
    Q         = the share of T's tokens that G has, each token of G supporting as many as it occurs; each token that T
                has fewer than G counts as 0.8 of one that G has not;
                an attitude counts as a token of which A is supported, as many as G has
    L         = min(1, (1.5 |G| + 10) / |T|)  min(1, n(G) / n(T)),  |.| in characters, n(.) in tokens and attitudes
    W         = 1 - U s,  U = the share of G's small words that T lacks,  s = 0.3 m / (n(G) + 0.3 m) for m small words
                in G; 1 at `response`
    V         = 0.35 at `response` where G, of 4 words or more, stands in the context word for word; else 1
    A         = 1 the same attitude in the same word, 0.9 in another, 0.05 one of the other side, else 0.35; divided by
                1 + the attitudes of T's clause that G's does not name. `unsure` and `even` are no side's other
    D         = 1, 0.5 or 0 as the degrees are 0, 1 or 2 steps apart
    M         = 1, but at `response` where G takes a side: 0.7 + 0.3 D if T takes the same one first, 0.3 if T takes
                none or one of the two is unsure, 0.15 if T takes the other

Tokens are stems of words that carry meaning, small words all others. A denied token is another token, and one that T
both says and denies counts for nothing. Closeness of two tokens: 1 if they are the same; at `response` 0.9 if they
name the same side, feeling or degree; else the cosine of hashed letter embeddings where it is 0.55 or more, else 0.
Attitudes are looked for in each clause at the levels `stance` and `emotion`. A token that the context gives away counts
0.35 instead of 1, in recall and in Q.

An exact copy is 1 (V at `response`), nothing in common is 0, and every part of G more that T has is worth more. What is
left out costs nearly as much as what is wrong, so that saying nothing is worth less than a guess. Of several guesses of
which one is right no more is to be had than of one, nor of a bag of words; a word said again adds nothing to C and
takes from Q.

Read are the first 8,000 characters of G and of T, the last 32,000 of the context, 60 clauses where attitudes are looked
for, and of the tokens of G that begin alike 20; lengths in characters are those of the whole.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise

from usergym.judges.alignment_scores import Alignment
from usergym.judges.alignment_text import DENIED, Clause, clauses, closeness, every_word, family, lexicon, stand
from usergym.judges.overlap_attitudes import OTHER_SIDE, SAME_FAMILY, alike, match, opposed, taken_as
from usergym.judges.words import FUNCTION_WORDS, holds, stem, words
from usergym.types import is_blank

POINTS = 3
GIVEN = 0.35
ORDER, SMALL = 0.4, 0.3
SPOKEN_FORM = 0.1, 0.0
"""ORDER and SMALL of a response: it is long, and many words say the same."""
CONTRARY = 0.5
SILENCE = 0.8
LENGTH, SLACK = 1.5, 10
"""So many times the truth's characters, and so many more, are no fault."""

READ, READ_BEFORE, CLAUSES, ALIKE = 8_000, 32_000, 60, 20
VERBATIM = 4
"""Least words of a truth that are no chance find in a context."""
SPOKEN = "response"
"""The level at which somebody speaks for themself."""

REMEMBERED = 1_000
"""Words whose closeness to those of one truth is kept."""

FITS = 0.5
"""Least match of a clause that the truth says too: mixed feelings are no contradiction where the truth has them."""


def overlap(truth: str, texts: Sequence[str], *, level: str, context: str = "") -> list[Alignment]:
    """How far each text says what `truth` says at `level`, as at the head of this module; in the order of the texts.

    `context`: what was said before, which a text can merely repeat. ValueError for a truth that cannot be seen.
    """
    against = _truth(truth, level, context[-READ_BEFORE:])
    return [against.judge(text) for text in texts]


def key_points(truth: str, level: str) -> list[list[Clause]]:
    """The clauses of a truth in 1 to 3 groups of neighbours, about equally long."""
    return _grouped(_read(truth, level) or _bare(truth))


def _grouped(found: Sequence[Clause]) -> list[list[Clause]]:
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


def _read(text: str, level: str) -> list[Clause]:
    found = clauses(text[:READ], level)
    return found[:CLAUSES] if lexicon(level) else found


def _bare(text: str) -> list[Clause]:
    """Of all its words: what is left to a text without one that carries meaning."""
    return [Clause(None, "", 2, tuple(every_word(text[:READ])))]


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
        if not heard.denied.isdisjoint(self.weights):
            recall *= CONTRARY
        if not self.pairs or not recall:
            return recall
        return (1 - heard.order) * recall + heard.order * len(self.pairs & heard.pairs) / len(self.pairs)


class _Heard:
    """Which tokens of a truth, and which pairs of tokens, a piece of text has."""

    def __init__(self, truth: "_Truth", tokens: Sequence[str]) -> None:
        self.order = truth.order
        self.best: dict[str, float] = {}
        self.pairs = set(pairwise(tokens))
        unique = set(tokens)
        for token in unique:
            for each, value in truth.near(token):
                if value > self.best.get(each, 0.0):
                    self.best[each] = value
        self.denied = {each for each in map(_denial, unique) if each in truth.room and each not in truth.both}
        for token in self.denied & self.best.keys():
            del self.best[token]


class _Truth:
    """A truth made ready: many texts are judged against one."""

    def __init__(self, truth: str, level: str, context: str) -> None:
        if is_blank(truth):
            raise ValueError("a truth that says nothing cannot be aligned with; leave its row out")
        read = _read(truth, level)
        said = read or _bare(truth)
        self.level = level
        self.bare = not read
        self.count = sum(clause.weight for clause in said)
        self.stand = stand(truth[:READ]) if level == SPOKEN else None
        self.length = len(truth.strip())
        self.room = Counter(token for clause in said for token in clause.tokens)
        self.both = {token for token in self.room if _denial(token) in self.room}
        self.attitudes = [clause for clause in said if clause.attitude is not None]
        self.small = Counter(word for word in words(truth[:READ]) if word in FUNCTION_WORDS)
        self.smalls = self.small.total()
        self.order, small = SPOKEN_FORM if level == SPOKEN else (ORDER, SMALL)
        self.share = small * self.smalls / (self.count + small * self.smalls)
        before = words(context)
        given = {stem(word) for word in before}
        self.worth = GIVEN if level == SPOKEN and _verbatim(words(truth[:READ]), before) else 1.0
        self.weights = {token: GIVEN if token.lstrip(DENIED) in given else 1.0 for token in self.room}
        self.points = [[_Wanted(clause, self.weights) for clause in group] for group in _grouped(said)]
        self._begun: dict[str, list[str]] = {}
        self._named: dict[str, list[str]] = {}
        for token in self.room:
            self._begun.setdefault(token[:3], []).append(token)
            if level == SPOKEN and (meant := family(token)):
                self._named.setdefault(meant, []).append(token)
        self._near: dict[str, tuple[tuple[str, float], ...]] = {}

    def judge(self, text: str) -> Alignment:
        found = _bare(text) if self.bare else _read(text, self.level)
        if is_blank(text) or not any(clause.weight for clause in found):
            return Alignment(0.0, 0.0, 0.0, (0.0,) * len(self.points))
        matches = self._by_attitude(found) if self.attitudes else self._by_words(found)
        if self.stand is not None:
            taken = taken_as(self.stand, stand(text[:READ]))
            matches = [each * taken for each in matches]
        coverage = sum(matches) / len(matches)
        if not coverage:
            return Alignment(0.0, 0.0, 0.0, tuple(matches))
        kept = self._kept(found, text)
        return Alignment(coverage * kept, coverage, coverage * (1 - kept), tuple(matches))

    def _by_words(self, found: Sequence[Clause]) -> list[float]:
        heard = _Heard(self, [token for clause in found for token in clause.tokens])
        return [_mean(point, [wanted.said(heard) for wanted in point]) for point in self.points]

    def _by_attitude(self, found: Sequence[Clause]) -> list[float]:
        heard = [_Heard(self, clause.tokens) for clause in found]
        targets = [[[wanted.said(each) for each in heard] for wanted in point] for point in self.points]
        values = [
            [
                [match(wanted.clause, *pair) for pair in zip(found, row, strict=True)]
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

    def _kept(self, found: Sequence[Clause], text: str) -> float:
        """Q L W V."""
        count = sum(clause.weight for clause in found)
        room = min(1.0, (LENGTH * self.length + SLACK) / len(text.strip())) * min(1.0, self.count / count)
        said = Counter(word for word in words(text[:READ]) if word in self.small)
        missed = 1 - (said & self.small).total() / self.smalls if self.smalls else 0.0
        silent = SILENCE * max(0, self.count - count)
        return self._supported(found, silent) * room * (1 - self.share * missed) * self.worth

    def _supported(self, found: Sequence[Clause], silent: float) -> float:
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
                fit = max(alike(each, clause) for each in self.attitudes) if free else 0.0
                free -= fit > OTHER_SIDE
                good += fit
                bad += 1 - fit
        return good / (good + bad + silent)

    def near(self, token: str) -> tuple[tuple[str, float], ...]:
        """The tokens of the truth that are close to one of a text, the closest first."""
        known = self._near.get(token)
        if known is None:
            begun = [each for each in self._begun.get(token[:3], ()) if each != token][:ALIKE]
            found = [(each, value) for each in begun if (value := closeness(token, each))]
            if self.level == SPOKEN and (meant := family(token)):
                found = [pair for pair in found if pair[0] not in self._named.get(meant, ())]
                found += [(each, SAME_FAMILY) for each in self._named.get(meant, ()) if each != token]
            found.sort(key=lambda pair: -pair[1])
            found[:0] = [(token, 1.0)] if token in self.room else []
            if len(self._near) >= REMEMBERED:
                self._near.clear()
            known = self._near[token] = tuple(found)
        return known


def _denied(wanted: Clause, found: Sequence[Clause], targets: Sequence[float], fits: Sequence[float]) -> float:
    """R' of the clause that says the opposite about the target of `wanted`, and fits no clause of the truth itself."""
    rivals = zip(found, targets, fits, strict=True)
    return max((target for clause, target, fit in rivals if fit < FITS and opposed(wanted, clause)), default=0.0)


def _mean(point: Sequence[_Wanted], matches: Sequence[float]) -> float:
    """Of a key point's clauses, by how much each says."""
    if len(point) == 1:
        return matches[0]
    whole = sum(wanted.clause.weight for wanted in point)
    return sum(value * wanted.clause.weight for value, wanted in zip(matches, point, strict=True)) / whole


def _verbatim(said: Sequence[str], before: Sequence[str]) -> bool:
    """Whether `said`, of VERBATIM words or more, stands in `before`, one word after the other."""
    return len(said) >= VERBATIM and holds(before, said)


def _denial(token: str) -> str:
    return token[len(DENIED) :] if token.startswith(DENIED) else DENIED + token


@lru_cache(maxsize=1024)
def _truth(truth: str, level: str, context: str) -> _Truth:
    return _Truth(truth, level, context)
