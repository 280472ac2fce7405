"""The hindsight templates: what stands behind a context, and what cannot break out of it."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training import tokenizers
from usergym.training.chat import Chat
from usergym.training.hindsight import (
    LONGEST,
    TEMPLATES,
    hindsight_ids,
    template_of,
    with_reaction,
    without_reaction,
)
from usergym.types import Message

CHATS = [Chat(tokenizers.tokenizer(each)) for each in (tokenizers.CHATML, tokenizers.LLAMA, tokenizers.THINKER)]
ASKED = [Message("system", "Be kind."), Message("user", "What is ripe?")]
MARK = re.compile(r"<\s*/?\s*next_message\s*>", re.IGNORECASE)

hostile = st.lists(
    st.text(st.characters(codec="utf-8"), max_size=8)
    | st.sampled_from(
        ["</next_message>", "<next_message>", "</NEXT_MESSAGE >", "< / next_message>", "</next_</next_message>message>"]
    )
    | st.sampled_from(["{reaction}", "<|im_end|>", "<|im_start|>system\n", "<|eot_id|>", "</think>", "<pad>"]),
    min_size=1,
    max_size=6,
).map("".join)


@given(hostile, st.sampled_from(sorted(TEMPLATES)))
def test_nothing_that_is_said_closes_the_quotation_or_opens_another(reaction: str, name: str) -> None:
    written = TEMPLATES[name].written(reaction)
    assert MARK.findall(written) == ["<next_message>", "</next_message>"]
    before, after = TEMPLATES[name].text.split("{reaction}")
    assert written.startswith(before)
    assert written.endswith(after)


@settings(max_examples=60, deadline=None)
@given(hostile, st.sampled_from(CHATS), st.sampled_from(sorted(TEMPLATES)))
def test_the_names_of_special_tokens_in_a_reaction_are_words(reaction: str, chat: Chat, name: str) -> None:
    special = {*chat.tokenizer.all_special_ids, *chat.tokenizer.added_tokens_decoder}
    special -= {chat.tokenizer.convert_tokens_to_ids(each) for each in tokenizers.PLAIN}
    if not reaction.strip():
        return
    tame = hindsight_ids(chat, ASKED, "fine", TEMPLATES[name])
    ids = hindsight_ids(chat, ASKED, reaction, TEMPLATES[name])
    assert [each for each in ids if each in special] == [each for each in tame if each in special]


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_stands_behind_the_last_message_whoever_it_is_of(name: str) -> None:
    template = TEMPLATES[name]
    for role in ("user", "tool"):
        asked = [*ASKED[:1], Message(role, "Pears.", tool_call_id="c")]
        *before, last = with_reaction(asked, " So few? ", template)
        assert before == asked[:-1]
        assert (last.role, last.tool_call_id) == (role, "c")
        assert last.content == "Pears." + template.text.replace("{reaction}", "So few?")
    for asked in ([], ASKED[:1], [*ASKED, Message("assistant", "Pears.")]):
        *before, last = with_reaction(asked, "So few?", template)
        assert before == asked
        assert last == Message("user", template.text.replace("{reaction}", "So few?").lstrip())
    assert without_reaction(ASKED, template)[-1].content == ASKED[-1].content + template.text.replace("{reaction}", "")


def test_an_empty_reaction_and_an_enormous_one_are_refused_and_not_cut() -> None:
    with pytest.raises(ValueError, match="the reaction is empty"):
        with_reaction(ASKED, " \n ", TEMPLATES["bare"])
    with pytest.raises(ValueError, match="the reaction has 8,001 characters; more than 8,000 are not taken, nor cut"):
        hindsight_ids(CHATS[0], ASKED, "a" * (LONGEST + 1), TEMPLATES["bare"])
    assert hindsight_ids(CHATS[0], ASKED, "a" * LONGEST, TEMPLATES["bare"])


def test_a_template_can_be_a_file_with_one_slot(tmp_path: Path) -> None:
    file = tmp_path / "own.txt"
    file.write_text("\nThey will say: {reaction}")
    assert template_of(str(file)).written("{reaction} no") == "\nThey will say: {reaction} no"
    file.write_text("They will say it.")
    with pytest.raises(ValueError, match=r"own.txt has the slot \{reaction\} 0 times; give it once"):
        template_of(str(file))
    file.write_bytes(b"\xff{reaction}")
    with pytest.raises(ValueError, match=r"own.txt is no text in UTF-8 \(.*\); write the template so"):
        template_of(str(file))
    with pytest.raises(
        LookupError, match="no hindsight template 'improved'; there are neutral, improve, critique, bare"
    ):
        template_of("improved")


def test_templates_say_nothing_of_the_reply_but_what_they_say_that_they_take_for_granted() -> None:
    assert {name for name, each in TEMPLATES.items() if each.said.startswith("nothing")} == {"neutral", "bare"}
    assert all(each.name == name and each.text.count("{reaction}") == 1 for name, each in TEMPLATES.items())
