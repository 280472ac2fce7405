"""What is held out and shows: in a persona, in its own prompt, in threads of training."""

import pytest

from usergym.data.prepare.users.leakage import PersonaCheck, prompt_leak, shown
from usergym.data.prepare.users.profile import Evidence, Item, Profile
from usergym.data.prepare.users.targets import Target

EIGHT = "the ferry must never leave before seven o'clock"


def target(truth: str, *thread: str, user: str = "ann") -> Target:
    return Target("t", user, "p", tuple(("bert", text) for text in thread) or (("bert", "Well?"),), truth, 0, 1)


def checked(*texts: str) -> PersonaCheck:
    check = PersonaCheck()
    check.add(Profile("ann", "given", {"values": tuple(Item(text) for text in texts)}))
    return check


@pytest.mark.parametrize(
    ("item", "leaks"),
    [
        (f"thinks that {EIGHT}", True),
        ("thinks: THE FERRY — must never, leave before seven o'clock!", True),
        ("the ferry must never leave before seven", False),
        ("the ferry must never leave before eight o'clock", False),
        ("", False),
    ],
)
def test_eight_words_in_a_row_of_a_held_out_text_are_a_leak(item: str, leaks: bool):
    found = list(checked("likes boats", item).leaks(target(f"I say {EIGHT}, and that is all.")))
    assert [(leak.user, leak.field, leak.item) for leak in found] == ([("ann", "values", 1)] if leaks else [])


def test_quotes_and_personas_that_are_texts_are_looked_at_too():
    check = PersonaCheck()
    check.add(Profile("bea", "model", {"values": (Item("order", (Evidence(0, 0, 9, EIGHT),)),)}))
    check.add(Profile("cid", "given", words=f"Cid says {EIGHT}."))
    found = {(leak.user, leak.field) for leak in check.leaks(target(EIGHT))}
    assert found == {("bea", "values"), ("cid", "")}


@pytest.mark.parametrize(
    ("truth", "thread", "persona", "leaks"),
    [
        (EIGHT, f"You said: {EIGHT}.", "", True),
        (EIGHT, "Well?", f"says {EIGHT}", True),
        ("Not on my watch.", "not on my WATCH", "", True),
        ("Not on my watch.", "I said not on my watch", "", False),
        ("Thanks!", "thanks", "", False),
        (f"{EIGHT} on Sundays", f"You said: {EIGHT}.", "", False),
    ],
)
def test_a_text_in_its_own_prompt_is_a_leak(truth: str, thread: str, persona: str, leaks: bool):
    assert (prompt_leak(target(truth, "Hm.", thread), persona) is not None) == leaks


def test_held_out_texts_in_threads_of_training_are_counted():
    held_out = [target("I never liked that ferry."), target("Sell the quarry, then."), target("No.")]
    trained = [target("Why?", "i never liked that ferry"), target("So?", "No.", "I never liked that ferry.")]
    assert shown(held_out, trained) == 1
