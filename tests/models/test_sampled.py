import asyncio

from usergym.models.fake import FakeModel
from usergym.models.sampled import SampledModel
from usergym.types import Message, Sampling


def test_what_a_request_leaves_open_is_filled_and_what_it_sets_stands() -> None:
    seen: list[Sampling] = []

    def answer(messages: object, tools: object, sampling: Sampling) -> str:
        seen.append(sampling)
        return "yes"

    model = SampledModel(FakeModel(answer, name="m"), Sampling(temperature=0.6, max_tokens=100, stop=("x",)))
    asked = Sampling(max_tokens=5, seed=3, json_schema={"type": "object"})
    asyncio.run(model.reply([Message("user", "hi")], (), asked))
    assert seen == [Sampling(temperature=0.6, max_tokens=5, stop=("x",), seed=3, json_schema={"type": "object"})]
    assert model.name == "m"
