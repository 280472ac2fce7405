"""Each rule sees what breaks it, in whatever dress, and nothing else; for every text, in linear time."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich._emoji_codes import EMOJI

from tests.users.styles.replies import BROKEN, HOSTILE, KEPT
from usergym.users.styles.reply import Reply
from usergym.users.styles.rules import RULES, score, verdicts
from usergym.users.styles.spec import POLES, get, names

GRADED = {
    *("very_short", "short", "long", "simple_words", "rich_words", "short_sentences", "long_sentences", "in_verse"),
    *("informal", "formal", "no_punctuation", "semicolons_and_dashes", "has_lists", "sparse_formatting"),
    "has_formatting",
}
STYLES = [get(name) for name in names()]


def check(rule: str, reply: str) -> float:
    return RULES[rule].check(reply)


@pytest.mark.parametrize(("rule", "reply"), [(rule, reply) for rule, replies in BROKEN.items() for reply in replies])
def test_a_rule_is_broken_by(rule: str, reply: str) -> None:
    assert check(rule, reply) < 1


@pytest.mark.parametrize(("rule", "reply"), [(rule, reply) for rule, replies in KEPT.items() for reply in replies])
def test_a_rule_is_kept_by(rule: str, reply: str) -> None:
    assert check(rule, reply) == 1


@pytest.mark.parametrize(
    "reply", ["", "  \n\t", "\u200b\ufeff", "...", "<!-- hidden -->", "&nbsp;", "\u3164", "😀", "- \n- "]
)
def test_silence_keeps_no_rule(reply: str) -> None:
    assert {check(rule, reply) for rule in RULES} == {0}
    assert score(STYLES, reply) == 0


@given(st.text(st.characters() | st.sampled_from("!-•1.)`*_#|<>&;\n\u200d\ufe0f\u0301😀Ii'？"), max_size=80))
def test_every_text_has_a_score_under_every_rule(text: str) -> None:
    read = Reply(text)
    for name, rule in RULES.items():
        found = rule.found(read)
        assert 0 <= found.score <= 1
        assert found.what
        assert name in GRADED or found.score in (0, 1)
        assert rule.check(text) == found.score


@given(st.text("ab I!-*`.1)\n?;<>", max_size=40), st.integers(0, 40))
def test_nothing_that_is_invisible_changes_a_score(text: str, place: int) -> None:
    hidden = text[:place] + "\u200b\u2060\ufeff" + text[place:]
    assert [found.score for found in verdicts(STYLES, hidden)] == [found.score for found in verdicts(STYLES, text)]


def test_rules_measure_axes_and_are_all_used() -> None:
    assert {rule.axis for rule in RULES.values()} <= set(POLES)
    assert all(name == rule.name for name, rule in RULES.items())
    assert set(RULES) - {rule for style in STYLES for rule in style.rules} == {"no_formatting", "long_sentences"}


def test_every_emoji_that_a_terminal_library_knows_is_one_emoji() -> None:
    symbols = {symbol for symbol in EMOJI.values() if check("no_emojis", f"a {symbol}") == 1}
    assert all(len(symbol) == 1 for symbol in symbols)
    assert all(check("no_emojis", f"a {symbol}\ufe0f") == 0 for symbol in symbols - {"\u2388"})
    assert len(symbols) < 80
    seen = [symbol for symbol in set(EMOJI.values()) - symbols if not "\U0001f1e6" <= symbol <= "\U0001f1ff"]
    assert len(seen) > 2000
    for symbol in seen:
        assert RULES["no_emojis"].found(Reply(f"a {symbol}")).what == "1 emoji", ascii(symbol)


def test_joined_sequences_flags_and_keycaps_are_one_emoji_each() -> None:
    reply = "a 👩‍👩‍👧‍👦 b 🇩🇪🇫🇷 c 👍🏽 d 3️⃣ e 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
    assert RULES["no_emojis"].found(Reply(reply)).what == "6 emojis"


def test_lengths_are_graded_and_joining_words_makes_nothing_shorter() -> None:
    assert [check("very_short", "word " * n) for n in (1, 25, 50, 75, 99)] == [1, 1, 0.5, 0, 0]
    assert [check("short", "word " * n) for n in (60, 120, 180)] == [1, 0.5, 0]
    assert check("short", "word" * 200) < 0.5
    assert check("short", "word\u200b" * 200) < 0.5
    assert check("short", "word-" * 200) == 0
    assert check("short", "漢字" * 200) == 0


def test_repetition_makes_nothing_longer() -> None:
    sentences = " ".join(f"The number {n} comes after the number {n - 1}." for n in range(1, 20))
    assert check("long", sentences) == 1
    assert check("long", "The same thing again. " * 50) == 0
    assert check("long", "very " * 200) == 0


def test_lists_are_many_only_where_items_differ_and_say_something() -> None:
    assert check("has_lists", "- tea\n- milk\n- water") == 1
    assert check("has_lists", "1. tea\n2. milk") == pytest.approx(2 / 3)
    assert check("has_lists", "- tea\n- tea\n- tea") == pytest.approx(1 / 3)
    assert check("has_lists", "Word\n- \n- \n- ") == 0
    assert check("has_lists", "a • b • c") == 0


def test_short_flat_lists_are_tame_and_others_are_not() -> None:
    five = "\n".join(f"- item {n}" for n in range(5))
    assert check("tame_lists", five) == 1
    assert check("tame_lists", f"{five}\n- one more") == 0
    assert check("tame_lists", f"{five}\n\nAnd then:\n\n{five}") == 1
    assert check("tame_lists", "- a\n  - b") == 0
    assert check("tame_lists", "<ul><li>a<ul><li>b</ul></ul>") == 0
    assert check("tame_lists", "No list at all.") == 1


def test_register_is_measured_by_forms() -> None:
    assert check("informal", "Yep, it's fine.") == 1
    assert check("informal", "It is fine.") == 0
    assert 0 < check("informal", "It's fine. Furthermore, it is cheap.") < 1
    assert check("formal", "Anna's book is on the table.") == 1
    assert check("formal", "It's on the table.") < 0.5


def test_formatting_is_much_with_two_kinds_and_sparse_with_one_mark_in_a_hundred_words() -> None:
    assert check("has_formatting", "# Title\n\n**bold** words") == 1
    assert check("has_formatting", "**bold** and **bold**") == 0.5
    assert check("has_formatting", "- a\n- b\n- c") == 0.5
    assert check("sparse_formatting", "**bold** " + "word " * 100) == 1
    assert check("sparse_formatting", "**bold** word") == pytest.approx(0.8)


def test_words_and_sentences_are_measured() -> None:
    assert check("simple_words", "The cat sat on the mat.") == 1
    assert check("rich_words", "Considerable throughput deterioration persists.") == 1
    assert check("rich_words", "The cat sat on the mat.") == 0
    assert check("short_sentences", "It rains. We stay. Tea helps.") == 1
    assert check("short_sentences", "word " * 30 + ".") == 0
    assert check("long_sentences", "word " * 30 + ".") == 1
    assert check("semicolons_and_dashes", "It rains; tea helps.") == 1
    assert check("semicolons_and_dashes", "It rains ;;;; — .") == 0
    assert check("in_verse", "one two\nthree four\nfive six\nseven eight") == 1
    assert check("in_verse", "one two\n" * 4) == 0.25


@pytest.mark.parametrize("unit", HOSTILE)
def test_a_hostile_reply_is_read_in_linear_time(unit: str) -> None:
    reply = "x " + unit * (50_000 // len(unit))
    began = time.thread_time()
    verdicts(STYLES, reply)
    assert time.thread_time() - began < 5


@pytest.mark.parametrize(
    "rule", ["no_lists", "no_emojis", "no_first_person", "informal", "no_punctuation", "answer_first"]
)
def test_a_reply_of_a_megabyte_takes_seconds(rule: str) -> None:
    lines = "## Bread\n\nI say it's **easy**; really!\n- knead it\n- `rest` it — twice\n\nWant more? 😊 See https://a.b/c?d.\n"
    reply = (lines * 10_000)[:1_000_000]
    began = time.thread_time()
    check(rule, reply)
    assert time.thread_time() - began < 5
