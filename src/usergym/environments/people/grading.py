"""What a reply is worth at its level: 0 with a named reason where it does not keep to what was asked, else how far it
says what the person thought or wrote; None where that could not be judged."""

from collections.abc import Sequence

from usergym.judges.alignment import Alignment, Judgement, KeyPointReader, align
from usergym.judges.overlap import overlap
from usergym.types import Record
from usergym.users.states import Hierarchy, Level, over_limit, parse_states, parse_whole
from usergym.users.states.speaking import holds_tags


class Read(Record, frozen=True):
    """One level of a reply."""

    level: str
    text: str
    wrong: str = ""
    """Why it is worth nothing: `format`, `truncated`, `empty`, or `long: ...`."""


class Grade(Record, frozen=True):
    value: float | None
    reason: str


def read_reply(words: str, hierarchy: Hierarchy, levels: Sequence[str], cut: bool, tagged: bool = True) -> list[Read]:
    """The levels of a reply. `cut`: it was ended by a limit. Bare words have no end that could show that they are
    whole, so they are not where they were cut."""
    states = parse_states(words, levels, "exact_thinking") if tagged else parse_whole(words, levels[0])
    broken = over_limit(states, hierarchy)
    made = []
    for level in levels:
        text = states.get(level, "").strip()
        lack = states.lack(level)
        if cut and (lack or not tagged):
            lack = "truncated"
        elif not lack and tagged and holds_tags(text, hierarchy):
            lack = "format"
        long = f"long: {broken[level]}" if level in broken else ""
        made.append(Read(level, text, lack or long))
    return made


def by_overlap(read: Read, truth: str, thread: str) -> Grade:
    if read.wrong:
        return Grade(0.0, read.wrong)
    (found,) = overlap(truth, [read.text], level=read.level, context=thread)
    return Grade(found.score, f"coverage {found.coverage:.2f}, penalty {found.penalty:.2f}")


async def by_judge(
    reader: KeyPointReader,
    level: Level,
    reads: Sequence[Read],
    *,
    truth: str,
    thread: str,
    decoy: str,
    seed: int,
) -> tuple[list[Grade], Judgement | None]:
    """All replies to one task at one level, judged against each other, and what the judge said."""
    sound = [read.text for read in reads if not read.wrong]
    if not sound:
        return [Grade(0.0, read.wrong) for read in reads], None
    points = await reader.of(context=thread, level=level.name, desc=level.desc, truth=truth)
    judged = await align(
        reader.judge,
        context=thread,
        level=level.name,
        desc=level.desc,
        truth=truth,
        texts=sound,
        points=points,
        seed=seed,
        decoy=decoy or None,
    )
    scores = iter(zip(judged.scores, judged.failures, strict=True))
    return [Grade(0.0, read.wrong) if read.wrong else _grade(*next(scores), judged.why) for read in reads], judged


def _grade(score: Alignment | None, failure: str | None, why: str) -> Grade:
    if score is None:
        return Grade(None, f"{failure}: {why}" if why else str(failure))
    return Grade(score.score, f"coverage {score.coverage:.2f}, penalty {score.penalty:.2f}")
