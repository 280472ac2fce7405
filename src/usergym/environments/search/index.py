"""A collection of articles that can be searched: BM25 over passages, with the sentences that fit best."""

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from usergym.environments.search import articles, entities
from usergym.environments.search.articles import Article
from usergym.environments.search.entities import Spec
from usergym.models.base import StopRun

PASSAGE = 120
"""Words of a passage; longer articles are several."""
SENTENCES = 2
"""Shown of a passage."""
WORLDS = 8
"""Generated worlds that are kept in memory."""

_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[^\s])")
_WORD = re.compile(r"\w+")


class Result(NamedTuple):
    title: str
    snippet: str


class Passage(NamedTuple):
    title: str
    sentences: tuple[str, ...]


class Index:
    def __init__(self, found: Sequence[Article]) -> None:
        bm25s = _bm25s()
        self.passages = [passage for article in found for passage in _passages(article)]
        texts = [f"{passage.title} {' '.join(passage.sentences)}" for passage in self.passages]
        self.tokenize = bm25s.tokenize
        self.ranking = bm25s.BM25()
        tokens = self._tokens(texts)
        self.documents = Counter(token for each in tokens for token in set(each))
        self.ranking.index(tokens, show_progress=False)

    def _tokens(self, texts: list[str]) -> list[list[str]]:
        found: list[list[str]] = self.tokenize(texts, stopwords="en", return_ids=False, show_progress=False)
        return found

    def search(self, query: str, most: int) -> list[Result]:
        """The articles that fit best, each once, with the sentences in which the words of the query are."""
        asked = [token for token in self._tokens([query])[0] if token in self.documents]
        if not asked:
            return []
        scores = self.ranking.get_scores(asked)
        results: dict[str, Result] = {}
        for place in (-scores).argsort(kind="stable"):
            if scores[place] <= 0 or len(results) >= most:
                break
            passage = self.passages[place]
            results.setdefault(passage.title, Result(passage.title, self._snippet(passage, asked)))
        return list(results.values())

    def _snippet(self, passage: Passage, asked: Sequence[str]) -> str:
        """The title's words are in most sentences of its article, so they tell nothing about which to show."""
        title = {word.lower() for word in _WORD.findall(passage.title)}
        weights = {token: 1 / self.documents[token] for token in asked if token not in title}
        fit = []
        for place, sentence in enumerate(passage.sentences):
            said = {word.lower() for word in _WORD.findall(sentence)}
            fit.append((-sum(weight for token, weight in weights.items() if token in said), place))
        chosen = sorted(place for _, place in sorted(fit)[:SENTENCES])
        return " ... ".join(passage.sentences[place] for place in chosen)


def _passages(article: Article) -> list[Passage]:
    passages: list[Passage] = []
    held: list[str] = []
    for sentence in _SENTENCE.split(article.text.strip()):
        if held and sum(len(each.split()) for each in (*held, sentence)) > PASSAGE:
            passages.append(Passage(article.title, tuple(held)))
            held = []
        held.append(" ".join(sentence.split()))
    return [*passages, Passage(article.title, tuple(held))]


@lru_cache(WORLDS)
def of_world(spec: Spec) -> Index:
    return Index(articles.write(spec, entities.build(spec)))


def _bm25s() -> Any:
    try:
        import bm25s
    except ImportError:
        raise StopRun("the search gym needs the package bm25s: pip install 'usergym[search]'") from None
    return bm25s
