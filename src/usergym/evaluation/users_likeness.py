"""How alike responses are to what people wrote, in words, letters and meaning; beside what judges say of them."""

from collections.abc import Mapping, Sequence

from usergym.evaluation.embedding import Vector, cosine
from usergym.evaluation.similarity import bleu, corpus_bleu, edit_similarity
from usergym.evaluation.users import Said, Source
from usergym.evaluation.users_scores import Clustered, clustered, valued
from usergym.types import Record

Vectors = Mapping[str, Vector | None]
"""By text."""


class Likeness(Record, frozen=True, omit_defaults=False):
    """Of the responses of one source; those that are wrong or were never got are left out of all of it."""

    source: Source
    bleu: Clustered | None
    corpus_bleu: float | None
    edit: Clustered | None
    embedding: Clustered | None
    """None without an embedding model, or where it gave no vector."""
    left_out: int
    not_embedded: int


def likeness(
    source: Source, said: Sequence[Said], truths: Mapping[str, str], vectors: Vectors | None = None, seed: int = 0
) -> Likeness:
    """`said`: responses; `truths`: by context. LookupError for a package that is missing."""
    sound = [each for each in said if each.sound]
    near = [
        cosine(vectors.get(truths[each.context]), vectors.get(each.text)) if vectors is not None else None
        for each in sound
    ]
    return Likeness(
        source,
        clustered(valued((each, bleu(truths[each.context], each.text)) for each in sound), seed),
        corpus_bleu([truths[each.context] for each in sound], [each.text for each in sound]),
        clustered(valued((each, edit_similarity(truths[each.context], each.text)) for each in sound), seed),
        clustered(valued(zip(sound, near, strict=True)), seed),
        len(said) - len(sound),
        sum(value is None for value in near) if vectors is not None else 0,
    )
