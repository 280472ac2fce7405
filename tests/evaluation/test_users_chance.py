"""What saying the same everywhere is worth."""

from random import Random

from usergym.environments.people.contexts import Context
from usergym.evaluation.users_chance import best_constant, said_always
from usergym.judges.overlap import overlap


def contexts(truths: list[str], split: str = "train") -> list[Context]:
    return [
        Context(
            f"{split}{n}",
            f"{split}-u{n}",
            "post",
            "",
            (("Mo", "What now?"),),
            {"stance": truth, "response": "?"},
            split,
            f"{split}-u{n}",
        )
        for n, truth in enumerate(truths)
    ]


def test_the_best_of_the_common_truths_is_found_and_not_only_the_commonest() -> None:
    ferry = [f"supports the ferry to the {where} island" for where in ("north", "south", "east", "west", "far")]
    found = best_constant(contexts(["likes rain"] * 2 + ferry * 2), "stance")
    assert found is not None
    assert found.text in ferry
    assert found.share == 2 / 12
    assert 0.1 < found.alignment < 1
    assert best_constant([], "stance") is None


def test_a_bag_of_words_is_chance_where_it_is_worth_more_than_any_one_truth() -> None:
    letters = Random(0)
    rare = [" ".join("".join(letters.sample("bcdfghklmnprstvz", 6)) for _ in range(4)) for _ in range(200)]
    found = best_constant(contexts([f"harbour meadow {each}" for each in rare]), "stance")
    assert found is not None
    assert found.kind == "words"
    assert found.share == 0
    assert set(found.text.split()) <= {"harbour", "meadow"}
    common = best_constant(contexts(["supports the ferry"] * 9 + ["opposes the tram"]), "stance")
    assert common is not None
    assert (common.kind, common.text) == ("truth", "supports the ferry")


def test_a_level_whose_truth_is_not_known_is_held_against_what_was_written() -> None:
    found = best_constant(contexts(["supports the ferry"] * 3), "belief")
    assert found is not None
    assert found.text == "?"


def test_it_is_said_in_every_context_as_if_a_model_had() -> None:
    constant = best_constant(contexts(["supports the ferry"] * 3), "stance")
    assert constant is not None
    tested = contexts(["supports the ferry", "opposes the tram"], "test")
    said = said_always([constant], tested)
    assert [(each.context, each.user, each.text, each.sound) for each in said] == [
        ("test0", "test-u0", "supports the ferry", True),
        ("test1", "test-u1", "supports the ferry", True),
    ]
    (same,) = overlap("supports the ferry", [said[0].text], level="stance")
    assert same.score == 1.0
