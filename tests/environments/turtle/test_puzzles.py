"""Our puzzles: what holds for each of them under the rules that answer and judge."""

import re

import pytest

from tests.environments.turtle.versions import RIGHT, WRONG
from usergym.environments.turtle import answering, environment, judging
from usergym.environments.turtle.concepts import statements, words
from usergym.environments.turtle.story import Puzzle, own

PUZZLES = {puzzle.id: puzzle for puzzle in own()}
each_puzzle = pytest.mark.parametrize("puzzle", PUZZLES.values(), ids=PUZZLES)


def reached(answer: str, puzzle: Puzzle) -> float:
    """The share of the story that the rules see in an answer."""
    if judging.objection(answer) or judging.off_story(answer, puzzle.story):
        return 0.0
    return judging.overall(judging.by_rules(answer, puzzle.story), puzzle.story)


def test_there_are_fifty_puzzles_and_every_split_has_some() -> None:
    assert len(PUZZLES) == len(own()) == 50
    found = {split: [task.group for task in environment().tasks(split)] for split in ("train", "validation", "test")}
    assert min(map(len, found.values())) >= 3
    assert sum(map(len, found.values())) == 50


@each_puzzle
def test_the_story_itself_is_a_full_solution_and_its_scene_is_none(puzzle: Puzzle) -> None:
    assert reached(puzzle.story.bottom, puzzle) == 1.0
    assert reached(puzzle.story.surface, puzzle) == 0.0
    assert len(words(puzzle.story.bottom)) < judging.LONGEST / 2
    assert 2 <= len(puzzle.story.parts) <= 5


@each_puzzle
def test_each_question_that_is_written_down_gets_the_answer_that_is_written_down(puzzle: Puzzle) -> None:
    assert len(puzzle.story.facts) >= 6
    assert {"yes", "no", "irrelevant"} == {fact.answer for fact in puzzle.story.facts}
    for fact in puzzle.story.facts:
        assert answering.reply(fact.ask, puzzle.story) == answering.SAID[fact.answer], fact.ask


@each_puzzle
def test_no_other_story_solves_a_puzzle(puzzle: Puzzle) -> None:
    others = [other.story.bottom for other in PUZZLES.values() if other is not puzzle][::3]
    assert max(reached(bottom, puzzle) for bottom in others) == 0.0


@pytest.mark.parametrize("name", RIGHT)
def test_the_same_story_in_other_words_is_a_solution(name: str) -> None:
    assert reached(RIGHT[name], PUZZLES[name]) >= 0.9


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_theory_is_no_solution(name: str) -> None:
    assert reached(WRONG[name], PUZZLES[name]) <= 0.25


def test_what_is_denied_is_not_told() -> None:
    puzzle = PUZZLES["thirteenth-step"]
    assert judging.by_rules("Mr Holm is blind.", puzzle.story)[0] == 1.0
    assert judging.by_rules("Mr Holm is not blind.", puzzle.story)[0] == 0.0
    assert judging.by_rules("Mr Holm isn't blind.", puzzle.story)[0] == 0.0


def test_what_is_told_apart_is_not_told_together() -> None:
    """The concepts of a part must stand in two sentences that follow one another."""
    puzzle = PUZZLES["thirteenth-step"]
    near = "He counts. There are twelve steps."
    far = "He counts. It is dark down there. The cellar is deep. There are twelve steps."
    assert judging.by_rules(near, puzzle.story)[1] == 1.0
    assert judging.by_rules(far, puzzle.story)[1] == 0.5


def test_statements_are_pairs_of_sentences_and_none_is_longer_than_the_window() -> None:
    assert statements("One. Two! Three?") == [" one two ", " two three "]
    assert statements("It's Ilse's.") == [" it ilse "]
    assert statements("") == []
    assert max(len(each.split()) for each in statements("word " * 200)) == 60


OPPOSITES = [
    ("alive", "dead"),
    ("asleep", "awake"),
    ("healthy", "ill"),
    ("blind", "able to see"),
    ("deaf", "able to hear"),
    ("married", "single"),
    ("drunk", "sober"),
    ("innocent", "guilty"),
]
PEOPLE = re.findall(
    r"\w+",
    "he she it they girl boy man woman wife husband father mother farmer landlord mayor pupils children holm leo ilse"
    " jonas grandson assistant magician director doctor teacher neighbour widow owner maker driver thief critic lorenz",
)


@each_puzzle
def test_a_word_and_its_opposite_never_get_the_same_answer(puzzle: Puzzle) -> None:
    for subject in PEOPLE:
        for one, other in OPPOSITES:
            told = [answering.reply(f"Is {subject} {word}?", puzzle.story) for word in (one, other)]
            both = told[0] == told[1] and told[0] in (answering.YES, answering.NO)
            assert not both or mentions(subject, puzzle), (subject, one, other)


def mentions(subject: str, puzzle: Puzzle) -> bool:
    """Whether the bare mention of it is answered, whatever is asked of it."""
    return answering.reply(f"Is {subject} there?", puzzle.story) in (answering.YES, answering.NO)


@pytest.mark.parametrize(
    ("name", "question", "told"),
    [
        ("scarecrow", "Was the person in the field a scarecrow?", "Yes."),
        ("scarecrow", "Is the farmer in the field a scarecrow?", "Yes."),
        ("scarecrow", "Is the farmer alive?", "Yes."),
        ("scarecrow", "Is the farmer dead?", "No."),
        ("scarecrow", "Is the real farmer somewhere else?", "Yes."),
        ("nobody-heard", "Were they asleep?", "Yes."),
        ("nobody-heard", "Were they awake?", "No."),
        ("nobody-heard", "Are the pupils able to hear?", "No."),
        ("night-marathon", "Is his wife alive?", "Yes."),
        ("night-marathon", "Is his wife dead?", "No."),
        ("one-vote", "Is the mayor healthy?", "No."),
        ("one-vote", "Is the mayor ill?", "Yes."),
        ("thirteenth-step", "Is Mr Holm able to see?", "No."),
        ("thirteenth-step", "Is Mr Holm blind?", "Yes."),
        ("trumpet-discount", "Is the landlord able to hear?", "Yes."),
        ("trumpet-discount", "Is the landlord deaf?", "No."),
    ],
)
def test_opposites_have_the_true_answer(name: str, question: str, told: str) -> None:
    assert answering.reply(question, PUZZLES[name].story) == told
