"""Companies of our own: whole, of one piece, and the same everywhere."""

import csv
import hashlib
import itertools
import os
import re
import subprocess
import sys
import time
from collections import Counter
from datetime import timedelta

import msgspec
import pytest

from tests.cli.terminal import SHARED
from usergym.environments.workplace import company
from usergym.environments.workplace.company import Spec, build, describe, now
from usergym.environments.workplace.company.people import BOARDS, first_names, hire
from usergym.environments.workplace.company.words import stream
from usergym.environments.workplace.dates import timestamp
from usergym.environments.workplace.office import COLUMNS, FILES, Office
from usergym.environments.workplace.tools.boards import LISTS
from usergym.environments.workplace.tools.customers import PRODUCTS, STATUSES

SEEDS = range(6)


def digest(spec: Spec) -> str:
    return hashlib.sha256(msgspec.json.encode(build(spec))).hexdigest()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_company_has_the_rows_that_were_asked_for_in_the_columns_of_an_office(seed: int) -> None:
    spec = Spec(seed, people=11, emails=70, events=31, visits=90, tasks=40, customers=17)
    tables = build(spec)
    sizes = {name: len(rows) for name, rows in tables.items()}
    assert sizes == {"emails": 70, "calendar": 31, "analytics": 90, "projects": 40, "customers": 17, "directory": 11}
    for name, rows in tables.items():
        assert {tuple(row) for row in rows} == {COLUMNS[name]}


@pytest.mark.parametrize("name", [name for name in FILES if name != "directory"])
def test_the_columns_are_those_of_the_peers_files_in_their_order(name: str) -> None:
    path = SHARED / "data" / "workplace" / FILES[name]
    if not path.exists():
        pytest.skip("no shared data")
    with path.open(newline="") as stream_of_rows:
        header = next(csv.reader(stream_of_rows))
    assert list(build()[name][0]) == header


@pytest.mark.parametrize("seed", SEEDS)
def test_values_are_texts_and_ids_are_eight_digits_and_unique(seed: int) -> None:
    tables = build(Spec(seed))
    for name, rows in tables.items():
        for row in rows:
            for column, value in row.items():
                if column == "user_engaged":
                    assert isinstance(value, bool)
                else:
                    assert value is None or (isinstance(value, str) and value and value == value.strip())
        if name in ("emails", "calendar", "projects", "customers"):
            ids = [row[COLUMNS[name][0]] for row in rows]
            assert len(set(ids)) == len(ids)
            assert all(re.fullmatch(r"\d{8}", str(key)) for key in ids)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_person_a_table_names_is_in_the_directory(seed: int) -> None:
    tables = build(Spec(seed))
    known = {row["email_address"] for row in tables["directory"]}
    assert len(known) == 20
    columns = {
        "emails": "sender/recipient",
        "calendar": "participant_email",
        "projects": "assigned_to_email",
        "customers": "assigned_to_email",
    }
    for name, column in columns.items():
        assert {row[column] for row in tables[name]} <= known
    assert {row["board"] for row in tables["projects"]} == set(BOARDS)
    assert {row["list_name"] for row in tables["projects"]} == set(LISTS)
    assert {row["status"] for row in tables["customers"]} == set(STATUSES)
    assert {row["product_interest"] for row in tables["customers"]} == set(PRODUCTS)
    assert not {row["assigned_to_email"] for row in tables["projects"]} & {
        row["assigned_to_email"] for row in tables["customers"]
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_time_runs_as_it_should_around_now(seed: int) -> None:
    spec = Spec(seed)
    tables, moment = build(spec), now(spec)
    assert 2024 <= moment.year <= 2027
    assert moment.weekday() < 5
    sent = [timestamp(row["sent_datetime"]) for row in tables["emails"]]
    assert sent == sorted(sent)
    assert len(set(sent)) == len(sent)
    assert moment - timedelta(days=75) < sent[0] < sent[-1] < moment
    starts = [(timestamp(row["event_start"]), int(str(row["duration"]))) for row in tables["calendar"]]
    for start, minutes in starts:
        assert start.weekday() < 5
        assert start.hour >= 9
        assert (start + timedelta(minutes=minutes)).time() <= moment.replace(hour=18, minute=0).time()
    assert {start > moment for start, _ in starts} == {True, False}
    assert all(timestamp(row["last_contact_date"]) < moment for row in tables["customers"])
    days = [str(row["date_of_visit"]) for row in tables["analytics"]]
    assert max(days) <= moment.date().isoformat()
    assert min(days) > (moment - timedelta(days=91)).date().isoformat()


def test_meetings_of_a_company_of_the_usual_size_do_not_overlap() -> None:
    for seed in SEEDS:
        rows = build(Spec(seed))["calendar"]
        spans = sorted(
            (start := timestamp(row["event_start"]), start + timedelta(minutes=int(str(row["duration"]))))
            for row in rows
        )
        overlaps = sum(first[1] > second[0] for first, second in itertools.pairwise(spans))
        assert overlaps <= 3


def test_fewer_visits_come_on_weekends() -> None:
    rows = build(Spec(3, visits=20_000))["analytics"]
    counted = Counter(timestamp(row["date_of_visit"]).weekday() for row in rows)
    assert max(counted[5], counted[6]) < min(counted[day] for day in range(5))


def test_threads_hang_together() -> None:
    """An answer quotes what it answers, carries its subject and goes to the one who wrote."""
    rows = build()["emails"]
    answers = [row for row in rows if row["inbox/outbox"] == "outbox"]
    assert len(answers) > 50
    for row in answers:
        said = str(row["body"]).partition("\n> ")[2]
        first = [
            one
            for one in rows
            if f"RE: {one['subject']}" == row["subject"] and one["sender/recipient"] == row["sender/recipient"]
        ]
        assert any(said in str(one["body"]) and str(one["sent_datetime"]) < str(row["sent_datetime"]) for one in first)
    assert not [row for row in rows if re.search(r"[{}]", f"{row['subject']}{row['body']}")]


def test_mails_are_about_what_the_other_tables_hold() -> None:
    tables = build()
    text = "\n".join(str(row["body"]) for row in tables["emails"])
    for name, column in (("projects", "task_name"), ("calendar", "event_name"), ("customers", "customer_name")):
        assert sum(str(row[column]) in text for row in tables[name]) > 20


def test_a_first_name_is_enough_in_sales_and_a_few_are_shared_elsewhere_on_purpose() -> None:
    for seed in SEEDS:
        staff = hire(20, stream(seed, "people"))
        assert len(staff.shared_names) == 1
        assert not staff.shared_names & {person.first for person in staff.team("Sales")}
        assert staff.boss not in {person.first for person in staff.people}
        assert all(first_names()[person.first] in ("she", "he", "they") for person in staff.people)


def test_another_seed_is_another_company_at_another_time() -> None:
    told = [describe(Spec(seed)) for seed in range(30)]
    assert len({one["domain"] for one in told}) > 25
    assert len({one["now"] for one in told}) == 30
    assert len({str(one["now"])[:4] for one in told}) == 4


def test_more_of_one_table_leaves_the_others_as_they_are() -> None:
    small, large = build(Spec(1)), build(Spec(1, visits=3000))
    assert len(large["analytics"]) == 3000
    assert {name: rows for name, rows in small.items() if name != "analytics"} == {
        name: rows for name, rows in large.items() if name != "analytics"
    }


def test_a_company_is_the_same_in_every_process() -> None:
    code = (
        "import hashlib, msgspec\n"
        "from usergym.environments.workplace.company import Spec, build\n"
        "print(hashlib.sha256(msgspec.json.encode(build(Spec(7)))).hexdigest())"
    )
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
        assert done.stdout.strip() == digest(Spec(7))


def test_size_costs_in_proportion() -> None:
    build(Spec(1))

    def seconds(times: int) -> float:
        spec = Spec(1, 20 * times, 500 * times, 300 * times, 1000 * times, 300 * times, 200 * times)
        started = time.process_time()
        build(spec)
        return time.process_time() - started

    assert min(seconds(1) for _ in range(3)) < 0.1
    assert seconds(20) < 20 * 4 * min(seconds(1) for _ in range(3))


@pytest.mark.parametrize("wrong", [{"people": 3}, {"emails": -1}, {"customers": -5}])
def test_a_company_that_cannot_be_is_refused_with_the_value(wrong: dict[str, int]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"{name}={value}"):
        Spec(**wrong)


def test_a_company_without_anything_is_still_an_office() -> None:
    spec = Spec(2, emails=0, events=0, visits=0, tasks=0, customers=0)
    office = Office.from_rows(build(spec), now(spec))
    assert office.call("email_search_emails", {"query": "x"}) == "No emails found."
    assert company.describe(spec)["people"] == 20
