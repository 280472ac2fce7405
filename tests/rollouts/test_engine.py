import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from tests.rollouts.toy import Calls, CountingEnvironment, task
from usergym.models.base import Model, ModelError, Reply, StopRun
from usergym.rollouts.engine import Cast, Limits, Seating, begin, play, seat_idle, seat_model, seat_oracle
from usergym.types import Message, Sampling, Task, Tokens, Tool, ToolCall, Trajectory, Turn

ENV = CountingEnvironment()


class Parrot:
    """A model that repeats the last message, or whatever `answers` says."""

    name = "parrot"

    def __init__(self, answers: Sequence[Reply | BaseException] = ()) -> None:
        self.answers = list(answers)
        self.asked: list[list[Message]] = []
        self.seeds: list[int | None] = []

    async def reply(self, messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> Reply:
        self.asked.append(list(messages))
        self.seeds.append(sampling.seed)
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, BaseException):
                raise answer
            return answer
        return Reply(Message("assistant", messages[-1].content))

    async def close(self) -> None: ...


def says(*messages: Message) -> Seating:
    return lambda world, seed: Calls(messages)


def calls(*names_and_arguments: tuple[str, str]) -> Message:
    made = tuple(ToolCall(f"c{i}", name, text) for i, (name, text) in enumerate(names_and_arguments))
    return Message("assistant", "", tool_calls=made)


def run(
    of: Task, agent: Seating | None, judge: Model | None = None, limits: Limits = Limits(), **more: object
) -> Trajectory:
    cast = Cast(agent, services={"judge": judge} if judge else {}, limits=limits)
    return asyncio.run(play(ENV, begin(of, 0, 0), cast, **more))  # type: ignore[arg-type]


def relive(played: Trajectory, **more: object) -> Trajectory:
    again = begin(played.task, played.sample, 0)
    return asyncio.run(play(ENV, again, Cast(None), past=played.turns, ending=played.stop, **more))  # type: ignore[arg-type]


def test_oracle_play_earns_everything_and_idle_play_nothing() -> None:
    assert run(task(), seat_oracle).reward() == 1.0
    assert run(task(), seat_idle).reward() == 0.0


def test_speakers_alternate_and_the_user_opens_and_ends() -> None:
    played = run(task(n=2), seat_oracle)
    assert [turn.speaker for turn in played.turns] == ["user", "assistant", "user", "assistant", "user"]
    assert played.stop == "user_stop"
    assert played.error is None


def test_a_view_shows_the_other_side_as_user_and_never_its_reasoning() -> None:
    parrot = Parrot([Reply(Message("assistant", "number 0", reasoning="secret"))])
    played = run(task(n=2), seat_model(parrot))
    assert parrot.asked[1][2] == Message("assistant", "number 0", reasoning="secret")
    assert [m.content for m in played.view("user") if m.role == "user"] == ["number 0", "number 1"]
    assert "secret" not in str(played.view("user"))


def test_a_tool_result_returns_to_its_caller_and_is_not_heard() -> None:
    agent = says(calls(("look", '{"where": "there"}')), Message("assistant", "number 0"))
    played = run(task(n=1), agent)
    assert [m.role for m in played.view("assistant")] == ["system", "user", "assistant", "tool", "assistant"]
    assert played.view("assistant")[3].content == "there: 1"
    assert [m.content for m in played.view("user")] == ["number 0", "number 0", ""]
    assert played.reward() == 1.0


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (("lok", "{}"), "no tool named 'lok'"),
        (("wave", "{}"), "no tool named 'wave'"),
        (("look", '{"were": 1}'), "unknown field `were`"),
        (("look", '{"where": 1}'), "Expected `str`"),
        (("look", "{"), "arguments of look"),
    ],
)
def test_a_wrong_tool_call_is_text_for_the_model(call: tuple[str, str], text: str) -> None:
    played = run(task(n=1), says(calls(call), Message("assistant", "number 0")))
    assert text in played.turns[2].message.content
    assert played.error is None


def test_words_passed_by_a_tool_are_heard_and_answered_as_its_result() -> None:
    agent = says(calls(("tell", '{"words": "number 0"}')), calls(("tell", '{"words": "number 1"}')))
    played = run(task(n=2), agent)
    view = played.view("assistant")
    assert view[3] == Message("tool", "number 1", tool_call_id="c0")
    assert played.turns[1].heard == "number 0"
    assert played.reward() == 1.0


def test_only_one_message_a_turn_is_passed_on() -> None:
    agent = says(calls(("tell", '{"words": "number 0"}'), ("tell", '{"words": "again"}')))
    played = run(task(n=1), agent, limits=Limits(replies=1))
    assert "only one message a turn" in played.turns[2].message.content
    assert [m.content for m in played.view("user") if m.role == "user"] == ["number 0"]


def test_the_reply_limit_counts_only_the_agent_after_the_opening_and_is_scored() -> None:
    opening = (Turn("user", Message("assistant", "number 9")), Turn("assistant", Message("assistant", "number 9")))
    of = msgspec.structs.replace(task(n=3), opening=opening)
    played = run(of, seat_oracle, limits=Limits(replies=1))
    assert played.stop == "reply_limit"
    assert [turn.speaker for turn in played.turns[2:]] == ["user", "assistant", "user"]
    assert played.reward() == pytest.approx(2 / 3)


def test_a_conversation_with_nobody_opposite_ends_after_the_agent_has_spoken() -> None:
    of = msgspec.structs.replace(task(alone=True, n=1), opening=(Turn("user", Message("assistant", "number 5")),))
    played = run(of, seat_oracle)
    assert played.stop == "assistant_done"
    assert played.reward() == 1.0


def test_a_truncated_reply_is_not_heard_and_is_scored() -> None:
    played = run(task(n=1), seat_model(Parrot([Reply(Message("assistant", "number"), finish="length")])))
    assert (played.stop, played.reward(), played.error) == ("length", 0.0, None)


def test_an_empty_reply_ends_the_conversation() -> None:
    played = run(task(n=1), seat_model(Parrot([Reply(Message("assistant", " "))])))
    assert (played.stop, played.reward()) == ("silent", 0.0)


def test_a_broken_model_is_an_error_and_not_a_zero() -> None:
    played = run(task(), seat_model(Parrot([ModelError("unavailable", "gone")])))
    assert played.error is not None
    assert (played.error.kind, played.error.turn) == ("unavailable", 1)
    assert played.reward() is None
    assert len(played.turns) == 1


def test_a_bug_in_the_world_is_an_error_that_names_the_place() -> None:
    played = run(task(broken=True), seat_oracle)
    assert played.error is not None
    assert played.error.kind == "environment"
    assert "ZeroDivisionError at " in played.error.message


def test_a_refused_key_ends_the_run_and_not_the_conversation() -> None:
    with pytest.raises(StopRun):
        run(task(), seat_model(Parrot([StopRun("401")])))


def test_the_clock_is_not_the_agents_doing() -> None:
    class Slow(Parrot):
        async def reply(self, messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> Reply:
            await asyncio.sleep(5)
            raise AssertionError

    played = run(task(), seat_model(Slow()), limits=Limits(seconds=0.05))
    assert played.error is not None
    assert played.error.kind == "time"


def test_a_verdict_is_a_turn_that_nobody_hears() -> None:
    judge = Parrot([Reply(Message("assistant", "yes"))])
    played = run(task(n=1, judged=True), seat_oracle, judge=judge)
    assert [turn.speaker for turn in played.turns] == ["user", "assistant", "judge", "user"]
    assert "yes" not in str(played.view("assistant")) + str(played.view("user"))
    assert {reward.name: reward.value for reward in played.rewards}["judged"] == 1.0
    assert all(reward.turn == 1 for reward in played.rewards if reward.name in ("judged", "said"))


def test_a_judge_that_fails_is_an_error_of_its_own_kind() -> None:
    played = run(task(judged=True), seat_oracle, judge=Parrot([ModelError("malformed", "not JSON")]))
    assert played.error is not None
    assert played.error.kind == "judge"
    assert run(task(judged=True), seat_oracle).error is not None


@pytest.mark.parametrize("asks_first", [False, True])
def test_a_trajectory_lived_again_gives_the_same_turns_and_rewards_without_asking(asks_first: bool) -> None:
    judge = Parrot([Reply(Message("assistant", "yes")) for _ in range(9)])
    agent = says(calls(("look", "{}")), Message("assistant", "number 0"), calls(("tell", '{"words": "number 1"}')))
    played = run(task(n=2, judged=True, asks_first=asks_first), agent, judge=judge)
    assert played.error is None
    again = relive(played)
    assert again.error is None
    assert again.turns == played.turns
    assert again.rewards == played.rewards
    assert again.stop == played.stop


@pytest.mark.parametrize("replies", [1, None])
def test_a_verdict_on_the_whole_conversation_is_read_again_too(replies: int | None) -> None:
    judge = Parrot([Reply(Message("assistant", "yes"))])
    played = run(task(n=2, judged_at_the_end=True), seat_oracle, judge=judge, limits=Limits(replies=replies))
    again = relive(played)
    assert (again.turns, again.rewards, again.error) == (played.turns, played.rewards, None)
    assert again.reward() == 1.0


def test_every_prefix_of_a_conversation_goes_on_to_the_same_end() -> None:
    agent = says(calls(("look", "{}")), Message("assistant", "number 0"), calls(("tell", '{"words": "number 1"}')))
    played = run(task(n=2), agent)
    for length in range(len(played.turns) + 1):
        resumed = run(played.task, agent, past=played.turns[:length])
        assert resumed == played


def test_a_changed_tool_result_is_an_error_that_names_turn_and_both_texts() -> None:
    played = run(task(n=1), says(calls(("look", "{}")), Message("assistant", "number 0")))
    message = msgspec.structs.replace(played.turns[2].message, content="elsewhere: 7")
    played.turns[2] = msgspec.structs.replace(played.turns[2], message=message)
    again = relive(played)
    assert again.error is not None
    assert again.error.kind == "replay"
    assert "turn 2" in again.error.message
    assert "elsewhere: 7" in again.error.message
    assert "here: 1" in again.error.message


def test_seeds_differ_by_turn_sample_and_attempt_and_repeat_otherwise() -> None:
    def seeds(sample: int, attempt: int) -> list[int | None]:
        parrot = Parrot()
        asyncio.run(play(ENV, begin(task(), sample, 0), Cast(seat_model(parrot)), attempt=attempt))
        return parrot.seeds

    assert seeds(0, 0) == seeds(0, 0)
    drawn = [seed for sample in (0, 1) for attempt in (0, 1) for seed in seeds(sample, attempt)]
    assert len(set(drawn)) == len(drawn) == 12


def test_tokens_are_stored_as_what_is_new_since_the_speakers_last_turn() -> None:
    first = Tokens.of([1, 2, 3], [4, 5], [-0.5, -0.25])
    second = Tokens.of([1, 2, 3, 4, 5, 6], [7])
    rewritten = Tokens.of([1, 2, 9], [8])
    replies = [Reply(Message("assistant", "x"), tokens=tokens) for tokens in (first, second, rewritten)]
    played = run(task(), seat_model(Parrot(replies)))
    kept = [turn.tokens for turn in played.turns if turn.tokens]
    assert [tokens.kept for tokens in kept] == [0, 5, 2]
    head = b""
    for tokens, whole in zip(kept, ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6, 7], [1, 2, 9, 8]), strict=True):
        head = tokens.whole(head)
        assert head == Tokens.of(whole, []).prompt_ids
    assert relive(played).turns == played.turns


def test_a_finished_conversation_leaves_no_cycle_behind() -> None:
    import gc
    import weakref

    worlds = []

    def seating(world: object, seed: int) -> Calls:
        worlds.append(weakref.ref(world))
        return Calls([Message("assistant", "number 0")])

    gc.disable()
    try:
        run(task(n=1), seating)  # type: ignore[arg-type]
        assert worlds[0]() is None
    finally:
        gc.enable()
