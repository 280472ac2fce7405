"""The rule-based customer."""

import pytest

from usergym.environments.tau import words
from usergym.environments.tau.confirm import fits
from usergym.environments.tau.customer import PATIENCE, RuleCustomer, Wish

CANCEL = Wish(
    "cancel my order #W1111111: I no longer need it",
    {"name": "cancel_pending_order", "arguments": {"order_id": "#W1111111", "reason": "no longer needed"}},
)
RETURN = Wish(
    "return the Mug (size S) from my order #W2222222, with the refund to my gift card",
    {
        "name": "return_delivered_order_items",
        "arguments": {"order_id": "#W2222222", "item_ids": ["1234567890"], "payment_method_id": "gift_card_1"},
    },
)
EXCHANGE = Wish(
    "exchange the Mug (size S) from my order #W2222222 for size M",
    {
        "name": "exchange_delivered_order_items",
        "arguments": {"order_id": "#W2222222", "item_ids": ["1234567890"], "new_item_ids": ["1234567891"]},
    },
)
COMPENSATION = Wish(
    "get something for the delay", {"name": "send_certificate", "arguments": {"user_id": "ana_1", "amount": 50}}
)
QUESTION = Wish("know what I paid for my order #W3333333", outputs=("1250.50",))
FORBIDDEN = Wish("cancel my order #W4444444: I found it cheaper")
WHO = "My name is Ana Ruiz, my zip code is 12345 and my email address is ana@example.com."


def talk(wishes: list[Wish], *heard: str, insists: int = 0) -> list[tuple[str, bool]]:
    """What the customer says at the beginning and after each of the agent's messages, and whether it leaves."""
    customer = RuleCustomer(wishes, WHO, insists)
    said: list[tuple[str, bool]] = []
    for place in range(len(heard) + 1):
        said.append(customer.reply([words for words, _ in said], heard[:place]))
    return said


def test_it_opens_with_its_first_wish() -> None:
    assert talk([CANCEL, RETURN]) == [(f"Hello. I would like to {CANCEL.say}.", False)]


@pytest.mark.parametrize(
    "question",
    [
        "What is your zip code?",
        "Could you please confirm your email address?",
        "I need to verify your identity first. Please give me your full name.",
        "Your user id, please.",
    ],
)
def test_it_says_who_it_is_when_asked(question: str) -> None:
    assert talk([CANCEL], question)[-1] == (WHO, False)


@pytest.mark.parametrize(
    ("proposal", "answer"),
    [
        ("I will cancel order #W1111111 because it is no longer needed. Shall I proceed? (yes/no)", "Yes, please."),
        ("Would you like me to go ahead?", "Yes, please."),
        ("I will cancel order #W9999999. Is that correct?", f"No. I would like to {CANCEL.say}."),
        ("I will exchange items of #W1111111. Do you confirm?", f"No. I would like to {CANCEL.say}."),
    ],
)
def test_it_says_yes_to_its_own_wish_only(proposal: str, answer: str) -> None:
    assert talk([CANCEL], proposal)[-1] == (answer, False)


@pytest.mark.parametrize(
    ("proposal", "fit"),
    [
        ("Return item 1234567890 of #W2222222 to gift_card_1?", True),
        ("Send back the mug of #W2222222?", True),
        ("Return item 9999999999 of #W2222222?", False),
        ("Return item 1234567890 of #W2222222 to paypal_77?", False),
        ("Cancel #W2222222?", False),
    ],
)
def test_a_proposal_must_fit_in_what_it_names(proposal: str, fit: bool) -> None:
    assert RETURN.call
    assert fits(proposal, RETURN.call) is fit


SENSIBLE = "I can do that: the change you described, with the details you gave me. Is it OK to continue? (yes/no)"


@pytest.mark.parametrize("wish", [CANCEL, RETURN, EXCHANGE, COMPENSATION])
def test_it_says_yes_to_what_it_described_in_whatever_words(wish: Wish) -> None:
    assert talk([wish], SENSIBLE)[-1] == ("Yes, please.", False)
    assert talk([wish], "Shall I do as you asked and book a flight?")[-1][0].startswith("No.")


@pytest.mark.parametrize(
    ("proposal", "fit"),
    [
        ("I will see to item 1234567890 of #W2222222. Yes?", True),
        ("I will change item 1234567890 to 1234567891. Yes?", True),
        ("I will change your address. Yes?", False),
        ("I will change what you described in #W9999999. Yes?", False),
        ("I will cancel #W2222222 as you asked. Yes?", False),
    ],
)
def test_what_names_the_wish_fits_and_what_names_another_does_not(proposal: str, fit: bool) -> None:
    assert EXCHANGE.call
    assert fits(proposal, EXCHANGE.call) is fit


def test_it_tells_the_next_wish_when_one_is_done_and_leaves_after_the_last() -> None:
    said = talk([CANCEL, RETURN], "The order has been cancelled. Anything else?", "The return has been requested.")
    assert said[1] == (f"Thank you. Something else: I would like to {RETURN.say}.", False)
    assert said[2] == ("Thank you. Goodbye.", True)


def test_an_answer_to_its_question_satisfies_it() -> None:
    assert talk([QUESTION], "You paid $1,250.50.")[-1] == ("Thank you. Goodbye.", True)
    assert talk([QUESTION], "You paid $250.50.")[-1][1] is False


def test_it_insists_as_often_as_the_task_says() -> None:
    no = "I am sorry, I can't cancel it. Is there anything else I can do for you?"
    said = talk([FORBIDDEN], no, no, no, insists=2)
    assert [leaves for _, leaves in said] == [False, False, False, True]
    assert talk([FORBIDDEN], no)[-1] == ("All right, then not. Goodbye.", True)


def test_its_patience_ends_with_an_agent_that_does_nothing() -> None:
    said = talk([CANCEL], *["I see."] * (PATIENCE + 1))
    assert [leaves for _, leaves in said] == [False] * (PATIENCE + 1) + [True]


def test_it_repeats_its_wish_to_whoever_asks_for_details() -> None:
    said = talk([RETURN], *["Which item do you mean?"] * 6)
    assert all(RETURN.say in line and not leaves for line, leaves in said)


@pytest.mark.parametrize(
    ("text", "refuses"),
    [
        ("I cannot do that.", True),
        ("Unfortunately this isn\u2019t possible. It is not possible after 24 hours. Anything else?", True),
        ("You are not eligible for compensation.", True),
        ("I cannot find your account.", False),
        ("I can't proceed until I know your zip code.", False),
        ("Why can't you fly on Monday?", False),
        ("Gladly.", False),
    ],
)
def test_refusals_are_told_from_questions(text: str, refuses: bool) -> None:
    assert words.refuses(text) is refuses


@pytest.mark.parametrize(
    ("text", "output", "told"),
    [
        ("It is $1,786.00 in all", "1786", False),
        ("It is $1,786 in all.", "1786", True),
        ("There are 10 of them", "10", True),
        ("There are 110 of them", "10", False),
        ("Camera, at 481.5", "camera", True),
        ("943 maple drive, Suite 356", "943 Maple Drive", True),
        ("10 " * 800, "10", False),
        (" ".join(map(str, range(5, 17))), "10", True),
        (" ".join(map(str, range(5, 18))), "10", False),
        (", ".join(map(str, range(5, 18))), "10", False),
        (" ".join(f"{n}.5" for n in range(13)), "5.5", False),
        (" ".join(f"{n}.5" for n in range(13)), "cotton", False),
        (" ".join(f"{n}.5" for n in range(13)) + " for 10", "10", True),
    ],
)
def test_an_output_is_told_as_a_word_of_its_own(text: str, output: str, told: bool) -> None:
    assert words.tells(text, output) is told
