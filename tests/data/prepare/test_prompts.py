"""Prompts of the two public sources: every rule on its boundary, and duplicates within and across splits."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.prepare.rows import asked, post, prompts, read, write
from usergym.data.prepare.dedupe import key
from usergym.data.prepare.helpsteer import HelpSteer
from usergym.data.prepare.pipeline import Plan, prepare
from usergym.data.prepare.sources import open_source
from usergym.data.prepare.tldr import SUFFIX, Tldr
from usergym.rows import BadRow


def prepared(folder, recipe, train, validation=None, **plan):
    source = folder / "source"
    write(source / "train.jsonl", train)
    if validation is not None:
        write(source / "validation.jsonl", validation)
    return prepare(recipe, open_source(str(source)), Plan(folder / "out", **plan))


def test_a_post_keeps_its_words_and_is_asked_for_its_summary(tmp_path):
    prepared(tmp_path, Tldr(), [post("  A cat sat.\nIt stood up. \n")], [post("Another cat.")])
    assert prompts(tmp_path / "out") == ["A cat sat.\nIt stood up.\nTL;DR:\n"]
    assert prompts(tmp_path / "out", "validation") == ["Another cat.\nTL;DR:\n"]
    assert read(tmp_path / "out/train.jsonl")[0].keys() == {"prompt"}


def test_a_prompt_of_1023_characters_is_kept_and_one_of_1024_is_not(tmp_path):
    most = 1023 - len(SUFFIX)
    report = prepared(tmp_path, Tldr(), [post("a" * most), post("b" * (most + 1))], [])
    assert [len(prompt) for prompt in prompts(tmp_path / "out")] == [1023]
    assert report.left_out == {"of 1,024 characters or more": 1}


@pytest.mark.parametrize("nothing", [None, "", " \n "])
def test_an_article_stands_in_for_a_missing_post(tmp_path, nothing):
    report = prepared(tmp_path, Tldr(), [post(nothing, "News of the day."), post(nothing)], [])
    assert prompts(tmp_path / "out") == ["News of the day." + SUFFIX]
    assert report.left_out == {"without a post or an article": 1}


def test_of_texts_that_differ_in_case_and_space_only_the_first_is_kept_and_train_goes_before_validation(tmp_path):
    train = [post("One  cat"), post("one cat"), post("two cats")]
    report = prepared(tmp_path, Tldr(), train, [post("TWO\ncats"), post("three cats"), post("Three cats")])
    assert prompts(tmp_path / "out") == ["One  cat" + SUFFIX, "two cats" + SUFFIX]
    assert prompts(tmp_path / "out", "validation") == ["three cats" + SUFFIX]
    assert report.duplicates == {"train": 1, "validation": 1, "across": 1}
    assert report.written == {"train": 2, "validation": 1}


def test_what_takes_no_room_on_a_page_makes_no_words_and_no_other_prompt(tmp_path):
    rows = [asked("\u200b\ufeff \u2060"), asked("One\u200b cat"), asked("one cat\u00ad"), asked("two cats")]
    report = prepared(tmp_path, HelpSteer(), rows, [asked("\ufeffTwo cats"), asked("three")])
    assert prompts(tmp_path / "out") == ["One\u200b cat", "two cats"], "what is kept is as it was"
    assert prompts(tmp_path / "out", "validation") == ["three"]
    assert report.left_out == {"without a prompt": 1}
    assert report.duplicates == {"train": 1, "across": 1}
    posts = prepared(tmp_path, Tldr(), [post("\u200b", "News."), post("\u200b", "\u200d")], [], force=True)
    assert prompts(tmp_path / "out") == ["News." + SUFFIX]
    assert posts.left_out == {"without a post or an article": 1}


def test_duplicates_are_kept_where_that_is_asked(tmp_path):
    report = prepared(tmp_path, Tldr(), [post("a cat"), post("A cat")], [post("a cat")], dedupe=False)
    assert len(prompts(tmp_path / "out")) == 2
    assert len(prompts(tmp_path / "out", "validation")) == 1
    assert not report.duplicates


def test_the_key_is_the_sha1_of_the_lower_cased_words():
    assert key("  The\tCat \n sat ") == hashlib.sha1(b"the cat sat").digest()
    assert key("The Cat") == key(" the\ncat ")
    assert key("The Cat") != key("TheCat")
    assert key("a", "b") != key("a b") != key("ab")


def test_a_prompt_of_2048_characters_is_kept_and_one_of_2049_is_not(tmp_path):
    rows = [asked("a" * 2048, "b" * 2048), asked("c" * 2049), asked("d", "e" * 2049), asked("  ")]
    report = prepared(tmp_path, HelpSteer(), rows, [asked("valid")])
    assert [len(prompt) for prompt in prompts(tmp_path / "out")] == [2048]
    assert report.left_out == {
        "with a prompt over 2,048 characters": 1,
        "with a response over 2,048 characters": 1,
        "without a prompt": 1,
    }


def test_a_prompt_of_several_turns_is_left_out(tmp_path):
    report = prepared(tmp_path, HelpSteer(), [asked("Hi\n<extra_id_1>Assistant\nHello"), asked("Hi")], [])
    assert prompts(tmp_path / "out") == ["Hi"]
    assert report.left_out == {"of several turns": 1}


def test_a_prompt_with_two_responses_is_written_once_and_kept_if_one_of_them_is_short_enough(tmp_path):
    rows = [asked("one", "a"), asked("one", "b"), asked("two", "c" * 3000), asked("two", "d")]
    report = prepared(tmp_path, HelpSteer(), rows, [])
    assert prompts(tmp_path / "out") == ["one", "two"]
    assert report.duplicates["train"] == 1


def test_a_file_without_splits_is_split_by_a_hash_that_does_not_depend_on_the_order(tmp_path):
    rows = [asked(f"question {n}") for n in range(200)]
    files = [write(tmp_path / f"{name}.jsonl", each) for name, each in (("a", rows), ("b", rows[::-1]))]
    for file in files:
        prepare(HelpSteer(), open_source(str(file)), Plan(tmp_path / file.stem, held_out=0.2))
    first, second = (set(prompts(tmp_path / name, "validation")) for name in "ab")
    assert first == second
    assert 20 <= len(first) <= 60


texts = st.text("ab \n\tAÉ", max_size=4)


@settings(max_examples=60, deadline=None)
@given(train=st.lists(texts, min_size=1, max_size=12), validation=st.lists(texts, max_size=8))
def test_no_validation_prompt_is_in_train_and_every_row_is_accounted_for(tmp_path_factory, train, validation):
    folder = tmp_path_factory.mktemp("prompts")
    report = prepared(folder, Tldr(), [post("anchor"), *map(post, train)], list(map(post, validation)))
    kept, held_out = ([key(prompt) for prompt in prompts(folder / "out", name)] for name in ("train", "validation"))
    assert len(set(kept)) == len(kept)
    assert len(set(held_out)) == len(held_out)
    assert not set(kept) & set(held_out)
    assert sum(report.read.values()) == 1 + len(train) + len(validation) == report.made + sum(report.left_out.values())
    assert report.made == sum(report.written.values()) + sum(report.duplicates.values())
    wanted = {key(text.strip() + SUFFIX) for text in (*train, *validation, "anchor") if text.strip()}
    assert set(kept) | set(held_out) == wanted


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"prompt": "x"}, "'info': expected an object with post or article, found nothing"),
        ({"info": "x"}, "'info': expected an object"),
        ({"info": {"post": 3}}, "'info.post': expected a text, found 3"),
        ([1], "expected a JSON object, found a list"),
    ],
)
def test_a_row_of_another_shape_is_told_with_its_number_and_field(tmp_path, row, field):
    with pytest.raises(BadRow) as told:
        prepared(tmp_path, Tldr(), [post("fine"), row], [])
    assert "train.jsonl:2: " in str(told.value)
    assert field in str(told.value)
    assert not (tmp_path / "out").exists()


def test_bad_rows_are_left_out_and_counted_where_that_is_asked(tmp_path):
    rows = [post("fine"), {"info": None}, [], asked("x")]
    report = prepared(tmp_path, Tldr(), rows, [], skip_bad=True)
    assert report.skipped.count == 3
    assert prompts(tmp_path / "out") == ["fine" + SUFFIX]


@pytest.mark.parametrize("value", [None, 3, ["a"]])
def test_a_prompt_or_response_that_is_no_text_is_a_bad_row(tmp_path, value):
    for row in (asked(value), asked("x", value)):
        with pytest.raises(BadRow, match=r"train\.jsonl:1: field '(prompt|response)': expected a text"):
            prepared(tmp_path, HelpSteer(), [row], [])
