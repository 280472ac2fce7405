"""The stance model of the rule-based user: what moves it, and what does not."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usergym.environments.persuasion import speech
from usergym.environments.persuasion.claims import LAST, STANCES, Claim, claims
from usergym.environments.persuasion.stance import Mind, Reaction

SCHOOL = next(claim for claim in claims() if claim.key == "late-school-start")
POINTS = [point.text for point in SCHOOL.points]
ACKNOWLEDGED = "I understand that teenagers sit half awake in class, and that is a real problem."


def heard(*messages: str, claim: Claim = SCHOOL) -> tuple[Mind, list[Reaction]]:
    mind = Mind(claim)
    return mind, [mind.listen(message) for message in messages]


def test_there_are_sixty_claims_with_two_reasons_and_six_points_each() -> None:
    assert len(claims()) == len({claim.key for claim in claims()}) >= 60
    assert len(STANCES) == 7
    for claim in claims():
        assert len(claim.reasons) == 2
        assert len(claim.points) == LAST
        assert sorted(point.answers for point in claim.points if point.answers is not None) == [0, 1]
        assert len({point.topic for point in claim.points}) == LAST


@pytest.mark.parametrize("claim", claims(), ids=lambda claim: claim.key)
def test_every_point_is_recognised_as_itself_and_as_nothing_else_first(claim: Claim) -> None:
    for place, point in enumerate(claim.points):
        assert Mind(claim).brought(speech.proper_sentences(point.text))[:1] == [place], point.text


@pytest.mark.parametrize(
    ("place", "key", "said"),
    [
        (3, "email-ban-evening", "Firms with customers in other time zones cannot stop at six."),
        (3, "email-ban-evening", "Companies that have clients overseas need to reach them when it is evening here."),
        (
            4,
            "email-ban-evening",
            "If something breaks at night, waiting until morning would be an emergency for us all.",
        ),
        (0, "late-school-start", "A lot of them would just stay up later with their phone, so nothing is won."),
        (2, "late-school-start", "Mothers and fathers with early jobs would need childcare before their commute."),
        (2, "cash", "When there is a blackout, or an attack on the network, cards are useless."),
        (3, "cash", "I would not want a company to track and store whatever I purchase, it is about privacy."),
        (2, "zoos", "Species such as the bison would be extinct without breeding."),
        (2, "home-office", "New people learn from a mentor beside them, which is hard from a distance."),
        (1, "four-day-week", "A hospital needs nurses on every shift, so their patients cannot wait for Monday."),
        (3, "tipping", "It would raise the price of a menu, and restaurants could lose customers."),
    ],
)
def test_a_point_is_recognised_in_other_words(place: int, key: str, said: str) -> None:
    claim = next(claim for claim in claims() if claim.key == key)
    assert Mind(claim).brought(speech.proper_sentences(said))[0] == place


@pytest.mark.parametrize("claim", claims(), ids=lambda claim: claim.key)
def test_saying_back_what_the_user_said_is_no_argument(claim: Claim) -> None:
    mind = Mind(claim)
    for reason in claim.reasons:
        assert mind.brought([f"You said this: {reason}"]) == []
    for point in claim.points:
        assert mind.brought([f"I think that we should talk about {point.topic}, and it matters to me."]) == []


def test_one_message_moves_it_by_one_level_at_most() -> None:
    mind, reactions = heard(f"{ACKNOWLEDGED} {POINTS[0]} {POINTS[1]} For example, it was tried.")
    assert (mind.level, reactions) == (1, ["moved"])


def test_a_wall_of_all_points_counts_as_one_and_a_second_wall_as_none() -> None:
    shuffled = [*POINTS[3:], *POINTS[:3]]
    again = " And now to something quite different about mountains, rivers, oceans, stars and planets. ".join(shuffled)
    mind, reactions = heard(f"{ACKNOWLEDGED} {' '.join(POINTS)}", again)
    assert reactions[0] == "moved"
    assert reactions[1] in ("wall", "repeated")
    assert len(mind.taken) == 1
    assert mind.level <= 1


def test_keyword_stuffing_moves_nothing() -> None:
    for claim in claims():
        words = " ".join(f"{point.words} {point.topic}" for point in claim.points).split()
        random.Random(claim.key).shuffle(words)
        for text in (" ".join(words) + ".", ", ".join(words) + ".", ". ".join(words) + ".", " ".join(words) * 3):
            mind, _ = heard(text, claim=claim)
            assert (mind.level, mind.taken) == (0, []), claim.key


def test_a_message_of_insane_length_is_not_taken_in() -> None:
    mind, reactions = heard(f"{ACKNOWLEDGED} {POINTS[0]} " + "And so it is with many things in life. " * 30)
    assert (mind.level, reactions) == (0, ["long"])


def test_without_acknowledgement_it_stops_at_partly_agree() -> None:
    mind, reactions = heard(*POINTS[2:5])
    assert (mind.level, reactions[-1]) == (2, "unacknowledged")
    assert mind.listen(f"{ACKNOWLEDGED} Still, it has a price.") == "moved"


def test_an_acknowledgement_must_name_what_it_is_about() -> None:
    assert not heard("I understand you completely, and you are right in general.")[0].acknowledged
    mind, reactions = heard(ACKNOWLEDGED)
    assert (mind.acknowledged, mind.level, reactions) == (True, 0, ["noted"])


def test_without_an_answer_to_its_reasons_it_stops_at_neutral() -> None:
    mind, reactions = heard(f"{ACKNOWLEDGED} {POINTS[2]}", *POINTS[3:])
    assert (mind.level, reactions[-1]) == (3, "unanswered")
    assert mind.listen(POINTS[0]) == "moved"


def test_without_evidence_it_stops_short_of_the_end() -> None:
    mind, reactions = heard(f"{ACKNOWLEDGED} {POINTS[0]}", *POINTS[1:])
    assert (mind.level, reactions[-1]) == (5, "unproven")
    said = "For example, our judo club lost its hall, since the evening training could not begin before eight."
    assert mind.listen(said) == "convinced"
    assert STANCES[mind.level] == "Strongly Disagree"


def test_repetition_and_insults_move_it_back() -> None:
    mind, reactions = heard(f"{ACKNOWLEDGED} {POINTS[0]}", POINTS[1], POINTS[1])
    assert (mind.level, reactions[-1]) == (1, "repeated")
    mind, reactions = heard(f"{ACKNOWLEDGED} {POINTS[0]}", POINTS[1], f"Only a fool would not see this. {POINTS[2]}")
    assert (mind.level, reactions[-1], mind.acknowledged) == (1, "insulted", False)
    assert len(mind.taken) == 2


def test_a_repetition_in_another_order_is_one() -> None:
    words = POINTS[1].rstrip(".").split()
    assert speech.repeats(" ".join([*words[5:], *words[:5]]), [POINTS[1]])
    assert not speech.repeats(POINTS[2], [POINTS[1]])


def test_a_question_is_answered_with_a_topic_and_moves_nothing() -> None:
    mind, reactions = heard("What would matter to you in this?", "Why?")
    assert (mind.level, reactions) == (0, ["asked", "asked"])


def test_a_claim_of_other_people_moves_by_new_arguments_on_the_topic_only() -> None:
    argument = "Adverts for drugs confuse patients who are not doctors. Companies spend millions on them."
    claim = Claim("Drug adverts should be banned on television.", argument, tuple(argument.split(". ")))
    on_topic = (
        "I understand that patients are confused by adverts, but many of them would never ask about an illness "
        "because they are ashamed, and the picture of somebody with the same trouble gives them courage."
    )
    off_topic = "My uncle has a boat because he loves the sea, and every summer we sail along the coast to Spain."
    _, reactions = heard(on_topic, off_topic, on_topic, claim=claim)
    assert reactions == ["moved", "off_topic", "repeated"]
    stuffed = "Drug adverts patients companies television doctors banned shame courage sickness budgets laws markets"
    assert heard(stuffed, claim=claim)[0].level == 0


@given(st.lists(st.text(max_size=200), max_size=5))
@settings(max_examples=100, deadline=None)
def test_any_text_is_listened_to_and_moves_by_one_at_most(messages: list[str]) -> None:
    mind = Mind(SCHOOL)
    for message in messages:
        before = mind.level
        mind.listen(message)
        assert abs(mind.level - before) <= 1
        assert 0 <= mind.level <= LAST
