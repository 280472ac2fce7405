"""Models that judge, and models that embed, asked about all that was said."""

from collections.abc import Mapping, Sequence
from contextlib import aclosing

from usergym.cli.eval_asking_options import PlaceOptions
from usergym.cli.eval_users_play import Asked, close, to_its_end
from usergym.cli.models import Models
from usergym.cli.running import progress
from usergym.evaluation.embedding import Embedder, Vector, connect_embedder
from usergym.evaluation.users import Said
from usergym.evaluation.users_judging import DAMAGED, Verdicts, calls, judged
from usergym.evaluation.users_scores import Score
from usergym.judges.alignment import KeyPointReader
from usergym.models.retry import Retry
from usergym.models.transport import Options
from usergym.users.states.spec import LAST

JUDGEMENTS, POINTS = "judgements.jsonl", "key_points.jsonl"


def judge_all(
    asked: Asked,
    said: Sequence[Said],
    judges: Sequence[str],
    place: PlaceOptions,
    connected: Models,
    notes: list[str],
) -> dict[str, Sequence[Score]]:
    """By judge, a score for each of `said`; each call is kept and made once. Verdicts that were kept and cannot be are
    noted and made again."""
    if not place.resume:
        (asked.folder / JUDGEMENTS).unlink(missing_ok=True)
        (asked.folder / POINTS).unlink(missing_ok=True)
    verdicts = Verdicts(asked.folder / JUDGEMENTS)
    found: dict[str, Sequence[Score]] = {}
    for name in judges:
        made: list[Score] = []
        to_its_end(_judge(name, asked, said, verdicts, made, place, connected))
        found[name] = made
    if verdicts.damaged:
        notes.append(
            f"{len(verdicts.damaged):,} stored verdicts were damaged and judged again ({verdicts.damaged[0]}); lines "
            f"that could not be read are in {JUDGEMENTS}{DAMAGED}"
        )
    return found


async def _judge(
    name: str,
    asked: Asked,
    said: Sequence[Said],
    verdicts: Verdicts,
    made: list[Score],
    place: PlaceOptions,
    connected: Models,
) -> None:
    reader = KeyPointReader(connected.connect(name), asked.folder / POINTS)
    working = judged(reader, said, asked.targets, verdicts, made, concurrency=place.concurrency, seed=asked.seed)
    try:
        with progress(f"judged by {name}", len(calls(said))) as advance:
            async with aclosing(working) as done:
                async for count in done:
                    advance([], count)
    finally:
        await close(connected)


def vectors_of(
    said: Sequence[Said], truths: Mapping[str, str], name: str | None, connected: Models, notes: list[str]
) -> dict[str, Vector | None] | None:
    """By text, of all responses and truths; what failed is None, and noted."""
    if name is None:
        return None
    models = connected.options
    options = Options(models.api, models.deadline, retry=Retry(models.retries))
    embedder = connect_embedder(name, models.endpoint, models.base_url, options=options, budget=connected.budget)
    texts = list(dict.fromkeys([*truths.values(), *(each.text for each in said if each.level == LAST and each.sound)]))
    found: dict[str, Vector | None] = {}
    to_its_end(_embed(embedder, texts, found))
    if missing := sum(vector is None for vector in found.values()):
        notes.append(
            f"{name} gave no vector for {missing:,} of {len(texts):,} texts; they are left out where it counts"
        )
    return found


async def _embed(embedder: Embedder, texts: Sequence[str], found: dict[str, Vector | None]) -> None:
    try:
        found.update(zip(texts, await embedder.embed(texts), strict=True))
    finally:
        await embedder.close()
