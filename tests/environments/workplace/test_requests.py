"""Requests: each can be fulfilled, is fulfilled by its own ground truth, and by nothing less."""

import json
import re
from collections import Counter
from functools import cache
from itertools import islice

import pytest

from tests.cli.terminal import SHARED
from usergym.environments.workplace.company import Spec, build, now
from usergym.environments.workplace.office import Office
from usergym.environments.workplace.requests import (
    TEMPLATES,
    Book,
    Request,
    oracle_calls,
    oracle_words,
    request,
    requests,
)
from usergym.environments.workplace.requests.messages import phrasings
from usergym.environments.workplace.tools import TOOLS
from usergym.environments.workplace.verdict import judge, outcome_reward, read_call

COMPANIES, EACH = 6, 180


@cache
def office(seed: int) -> Office:
    spec = Spec(seed)
    return Office.from_rows(build(spec), now(spec))


@cache
def made() -> list[tuple[Office, Request]]:
    return [(office(seed), one) for seed in range(COMPANIES) for one in islice(requests(office(seed), seed), EACH)]


def replayed(one: Request, inside: Office) -> tuple[Office, list[tuple[str, dict[str, object], object]]]:
    after = inside.fresh()
    calls = [read_call(call) for calls in oracle_calls(one) for call in calls]
    return after, [(name, dict(arguments), after.call(name, arguments)) for name, arguments in calls]


def test_the_six_categories_come_in_turn_and_every_template_is_met() -> None:
    assert list(TEMPLATES) == [
        f"workplace_assistant_{name}"
        for name in (
            "email",
            "calendar",
            "analytics",
            "project_management",
            "customer_relationship_manager",
            "multi_domain",
        )
    ]
    counted = Counter(one.category for _, one in made())
    assert counted == dict.fromkeys(TEMPLATES, COMPANIES * EACH // 6)
    for category, templates in TEMPLATES.items():
        assert len(templates) >= (12 if category.endswith("multi_domain") else 8)
        assert {one.template for _, one in made() if one.category == category} == {
            template.__name__ for template in templates
        }


def test_every_template_has_phrasings_and_no_phrasing_is_without_a_template() -> None:
    for category, templates in TEMPLATES.items():
        words = phrasings(category.removeprefix("workplace_assistant_"))
        assert set(words) == {template.__name__ for template in templates}
        assert all(len(lines) >= 2 for cases in words.values() for lines in cases.values())


def test_every_oracle_call_succeeds_and_the_verdict_agrees() -> None:
    for inside, one in made():
        after, calls = replayed(one, inside)
        for name, _, output in calls:
            done = isinstance(output, str) and re.fullmatch(r"\d{8}|plots/\S+\.png|.* successfully\.", output)
            assert done or not isinstance(output, str), f"{one.user}: {name}: {output}"
        assert judge(after, calls, one.ground_truth, one.answer, oracle_words(one)) == "", one.user


def test_the_ground_truth_earns_and_nothing_less_does() -> None:
    for inside, one in made():
        truth = one.ground_truth
        for mode in ("state", "nemo_gym"):
            assert outcome_reward(truth, truth, inside, mode) == 1, one.user
            if one.answer and mode == "nemo_gym":
                continue
            for number in range(len(truth)):
                assert outcome_reward(truth[:number] + truth[number + 1 :], truth, inside, mode) == 0, one.user
            assert outcome_reward([], truth, inside, mode) == 0, one.user


def test_an_answer_cannot_be_read_off_the_question() -> None:
    questions = [one for _, one in made() if one.answer]
    assert len(questions) > 150
    for one in questions:
        assert one.answer
        assert any(not re.search(rf"\b{re.escape(fact)}\b", one.user) for fact in one.answer), one.user
        assert one.ground_truth
        assert "company_directory_find_email_address" not in {call["name"] for call in one.ground_truth}


def test_a_question_is_lost_with_another_answer() -> None:
    for inside, one in made():
        if one.answer:
            after, calls = replayed(one, inside)
            assert judge(after, calls, one.ground_truth, one.answer, "It is 987654, on 1999-01-01."), one.user


def test_people_do_not_speak_in_ids_or_addresses() -> None:
    for inside, one in made():
        assert not re.search(r"\b\d{8}\b", one.user)
        for address in inside.directory:
            assert address not in one.user
        assert not re.search(r"[{}\n]|  |\.\.|None", one.user)


def test_what_a_call_needs_was_said_or_shown_before_it() -> None:
    for inside, one in made():
        known, after = one.user.lower(), inside.fresh()
        for calls in oracle_calls(one):
            outputs = []
            for call in calls:
                for fact in re.findall(r"\b\d{8}\b|[\w.-]+@[\w.-]+\w", call["arguments"].lower()):
                    assert fact in known, f"{one.user}: {call}"
                outputs.append(after.call(call["name"], call["arguments"]))
            known += json.dumps(outputs).lower()


def test_requests_stay_within_what_an_agent_may_do() -> None:
    steps = Counter(one.steps for _, one in made())
    assert max(steps) <= 5
    assert len(steps) >= 3
    for _, one in made():
        assert len(one.ground_truth) <= 8
        assert {call["name"] for calls in oracle_calls(one) for call in calls} <= set(TOOLS)
    used = {call["name"] for _, one in made() for calls in oracle_calls(one) for call in calls}
    assert len(used) >= 21


def test_new_meetings_are_between_nine_and_six() -> None:
    for _, one in made():
        for name, arguments in map(read_call, one.ground_truth):
            if name == "calendar_create_event":
                start = arguments["event_start"]
                end = int(start[11:13]) * 60 + int(start[14:16]) + int(arguments["duration"])
                assert start[11:] >= "09:00:00"
                assert end <= 18 * 60


def test_few_requests_are_the_same() -> None:
    said = [one.user for _, one in made()]
    assert len(set(said)) > 0.97 * len(said)


@pytest.mark.parametrize("template", ["answer_or_ask", "book_or_stretch", "free_or_mail", "if_traffic_fell", "if_won"])
def test_both_branches_of_a_condition_come_up(template: str) -> None:
    kinds = {
        tuple(sorted({(call["name"], read_call(call)[1].get("field")) for call in one.ground_truth}, key=str))
        for seed in range(COMPANIES)
        for one in islice(requests(office(seed), 99 + seed), 300)
        if one.template == template
    }
    assert len(kinds) == 2


def test_the_same_seed_gives_the_same_requests_and_any_of_them_by_its_number() -> None:
    first, again = (list(islice(requests(office(1), 5), 30)) for _ in range(2))
    assert first == again
    assert request(Book(office(1)), 5, 17) == first[17]
    assert [one.user for one in islice(requests(office(1), 6), 30)] != [one.user for one in first]


def test_making_requests_leaves_the_office_as_it_was() -> None:
    inside = office(2)
    list(islice(requests(inside, 3), 60))
    assert not inside.emails.added
    assert not inside.emails.deleted
    assert not inside.tasks.changed
    assert not inside.events.deleted
    assert not inside.customers.changed
    assert not inside.plots


def test_the_peers_own_tables_can_be_asked_about() -> None:
    folder = SHARED / "data" / "workplace"
    if not folder.exists():
        pytest.skip("no shared data")
    peer = Office.from_csv(folder)
    found = list(islice(requests(peer, 0), 120))
    assert {one.category for one in found} == set(TEMPLATES)
    assert all(outcome_reward(one.ground_truth, one.ground_truth, peer) == 1 for one in found)


def test_a_small_office_is_asked_about_what_it_has() -> None:
    spec = Spec(4, people=8, emails=12, events=4, visits=0, tasks=6, customers=3)
    found = list(islice(requests(Office.from_rows(build(spec), now(spec))), 40))
    assert len(found) == 40
    assert "workplace_assistant_analytics" not in {one.category for one in found}


def test_an_office_with_nothing_in_it_is_told_so() -> None:
    office_of_nobody = Office.from_rows(
        {name: [] for name in ("emails", "calendar", "analytics", "projects", "customers", "directory")}
    )
    with pytest.raises(LookupError, match="0 people, 0 emails"):
        next(requests(office_of_nobody))


def test_what_is_drawn_again_is_counted_with_its_reason() -> None:
    rejected: Counter[str] = Counter()
    list(islice(requests(office(3), 0, rejected), 60))
    assert rejected
    assert all(re.fullmatch(r"workplace_assistant_\w+\.\w+: .+", reason) for reason in rejected)
