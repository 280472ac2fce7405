"""Judges of what was said as a person: the overlap of words, and models, whose verdicts are kept and asked for once."""

from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path

import msgspec

from usergym.environments.people.grading import Read, by_judge
from usergym.evaluation.users import Said
from usergym.evaluation.users_scores import Score
from usergym.judges.alignment import KeyPointReader
from usergym.judges.alignment_asking import fingerprint
from usergym.judges.overlap import overlap
from usergym.models.base import StopRun
from usergym.rollouts.pool import worked
from usergym.rollouts.store import set_torn_line_aside
from usergym.types import Record, stable_hash
from usergym.users.states import Level

OVERLAP = "overlap"
TOGETHER = 12
"""Different texts in one call of a judge."""
HALF = 0.5
FEW = 0.05
"""The share of its texts from which on it is said that a judge did not judge them."""
NO_POINTS = "no_points"
DAMAGED = ".damaged"
"""Behind the name of a file of verdicts: where its lines are kept that are none."""


class Wanted(Record, frozen=True):
    """What a text of one context and level is held against."""

    truth: str
    thread: str
    level: Level
    decoy: str = ""


Targets = Mapping[tuple[str, str], Wanted]
"""By context and level."""


class Verdict(Record, frozen=True):
    """A line of `judgements.jsonl`: one call."""

    key: str
    """A hash of the judge, its prompts and all that it was shown."""
    judge: str
    context: str
    level: str
    scores: tuple[float | None, ...]
    """In the order of the texts."""
    failures: tuple[str, ...]
    """Why a text has none, "" where it has one."""
    why: str = ""
    decoy: float | None = None

    def __post_init__(self) -> None:
        if len(self.failures) != len(self.scores):
            raise ValueError(f"{len(self.scores)} scores and {len(self.failures)} failures")
        for score in (*self.scores, self.decoy):
            if score is not None and not 0 <= score <= 1:
                raise ValueError(f"a score of {score}, and all are from 0 to 1")
        for score, failure in zip(self.scores, self.failures, strict=True):
            if (score is None) != bool(failure):
                raise ValueError(f"a score of {score} beside the failure {failure!r}")


class Verdicts:
    """The file of them: appended as they are made, so that what was judged is not asked for again. What failed is, by a
    later run, unless the truth says nothing there."""

    def __init__(self, path: Path) -> None:
        """A line that is no verdict is moved to a file beside it, and judged again. StopRun where that fails."""
        self.path = path
        self.damaged: list[str] = []
        """Names each of those lines, and what is wrong with it."""
        self._known: dict[str, Verdict] = {}
        try:
            set_torn_line_aside(path)
            lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
            good: list[bytes] = []
            bad: list[bytes] = []
            for number, line in enumerate(lines, 1):
                (good if self._read(line, number) else bad).append(line)
            if bad:
                self._set_aside(good, bad)
        except OSError as error:
            raise StopRun(f"cannot read or mend {path}: {error.strerror}. Run the same command again") from error

    def _read(self, line: bytes, number: int) -> bool:
        try:
            verdict = msgspec.json.decode(line, type=Verdict)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            self.damaged.append(f"{self.path}:{number}: {error}")
            return False
        self._known[verdict.key] = verdict
        return True

    def _set_aside(self, good: Sequence[bytes], bad: Sequence[bytes]) -> None:
        with self.path.with_name(self.path.name + DAMAGED).open("ab") as file:
            file.write(b"".join(bad))
        draft = self.path.with_name(self.path.name + ".draft")
        draft.write_bytes(b"".join(good))
        draft.replace(self.path)

    def find(self, key: str, texts: int) -> Verdict | None:
        """A verdict on so many texts; None for one on more or fewer, which cannot be that of these."""
        known = self._known.get(key)
        if known is None or {*known.failures} - {"", NO_POINTS}:
            return None
        if len(known.scores) != texts:
            self.damaged.append(f"{self.path}: verdict {key} has {len(known.scores)} scores for {texts} texts")
            return None
        return known

    def add(self, verdict: Verdict) -> None:
        self._known[verdict.key] = verdict
        try:
            with self.path.open("ab") as file:
                file.write(msgspec.json.encode(verdict) + b"\n")
        except OSError as error:
            text = f"cannot write {self.path}: {error.strerror}. Make room and run the same command again"
            raise StopRun(text) from error


def overlapped(said: Sequence[Said], targets: Targets) -> list[Score]:
    """Of each text by the overlap of words; 0 for one that does not keep to what was asked, None for one never got."""
    made = [_unheard(each) for each in said]
    groups: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for place, each in enumerate(said):
        if each.sound:
            groups[each.context, each.level].append(place)
    for (context, level), places in groups.items():
        wanted = targets[context, level]
        found = overlap(wanted.truth, [said[place].text for place in places], level=level, context=wanted.thread)
        for place, alignment in zip(places, found, strict=True):
            made[place] = Score(alignment.score)
    return made


async def judged(
    reader: KeyPointReader,
    said: Sequence[Said],
    targets: Targets,
    verdicts: Verdicts,
    made: list[Score],
    *,
    concurrency: int = 16,
    seed: int = 0,
) -> AsyncGenerator[int, None]:
    """Fills `made`, a score for each of `said`, and yields how many calls' worth came in. All that was said in one
    context at one level is judged together, whoever said it, up to TOGETHER different texts in a call."""
    made[:] = [_unheard(each) for each in said]

    async def work(group: tuple[tuple[str, str], tuple[str, ...], list[int]]) -> int:
        (context, level), texts, places = group
        verdict = await _verdict(reader, context, targets[context, level], texts, verdicts, seed)
        by_text = dict(zip(texts, map(Score, verdict.scores, verdict.failures), strict=True))
        for place in places:
            made[place] = by_text[said[place].text]
        return 1

    async with aclosing(worked((each for each in calls(said)), work, concurrency)) as done:
        async for count in done:
            yield count


def calls(said: Sequence[Said]) -> list[tuple[tuple[str, str], tuple[str, ...], list[int]]]:
    """What is judged in one call: context and level, the different texts, and the places in `said` that have them."""
    groups: defaultdict[tuple[str, str, int], list[int]] = defaultdict(list)
    for place, each in enumerate(said):
        if each.sound:
            groups[each.context, each.level, each.sample].append(place)
    made = []
    for (context, level, _), places in groups.items():
        texts = list(dict.fromkeys(said[place].text for place in places))
        for start in range(0, len(texts), TOGETHER):
            part = tuple(texts[start : start + TOGETHER])
            made.append(((context, level), part, [place for place in places if said[place].text in part]))
    return made


async def _verdict(
    reader: KeyPointReader, context: str, wanted: Wanted, texts: tuple[str, ...], verdicts: Verdicts, seed: int
) -> Verdict:
    level = wanted.level
    prompts = (fingerprint("alignment"), fingerprint("key_points"))
    about = (level.name, level.desc, wanted.thread, wanted.truth, wanted.decoy)
    key = f"{stable_hash(reader.judge.name, *prompts, *about, *texts):016x}"
    known = verdicts.find(key, len(texts))
    if known is not None:
        return known
    reads = [Read(level.name, text) for text in texts]
    _, judgement = await by_judge(
        reader,
        level,
        reads,
        truth=wanted.truth,
        thread=wanted.thread,
        decoy=wanted.decoy,
        seed=stable_hash(seed, key),  # or every call would show the models in one order
    )
    assert judgement is not None
    verdict = Verdict(
        key,
        reader.judge.name,
        context,
        level.name,
        tuple(each.score if each else None for each in judgement.scores),
        tuple(each or "" for each in judgement.failures),
        judgement.why,
        judgement.decoy,
    )
    verdicts.add(verdict)
    return verdict


def _unheard(said: Said) -> Score:
    return Score(0.0) if said.wrong else Score(None)


def warning(judge: str, scores: Sequence[Score], said: Sequence[Said]) -> str | None:
    """Where a judge left FEW or more of the texts it was given unjudged."""
    given = [score for score, each in zip(scores, said, strict=True) if each.sound]
    left = [score for score in given if score.value is None]
    if not given or len(left) < FEW * len(given):
        return None
    done = len(given) - len(left)
    half = ", fewer than half" if done < HALF * len(given) else ""
    why = ", ".join(f"{count:,} {reason}" for reason, count in Counter(each.failure for each in left).most_common())
    return (
        f"the judge {judge} judged {done:,} of {len(given):,} texts{half} ({why}): its numbers speak of those only; "
        "`at least` counts the others as 0. Run again after an outage, or give another --judge-model"
    )


_FAMILIES = {
    "chatgpt": "gpt",
    "o": "gpt",
    "qwq": "qwen",
    "gemma": "gemini",
    "codestral": "mistral",
    "mixtral": "mistral",
}


def family(model: str) -> str:
    """By what a model's name begins with: gpt, claude, qwen, llama, ..."""
    last = model.rstrip("/").rsplit("/", 1)[-1].lower()
    letters = "".join(each if each.isalpha() else " " for each in last).split()
    begun = letters[0] if letters else last
    return _FAMILIES.get(begun, begun)
