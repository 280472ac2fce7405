import time

import pytest

from usergym.environments.workplace.answers import is_answered


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (["2025-03-02"], "It was on 2025-03-02."),
        (["2025-03-02"], "That was Sunday, March 2nd, 2025."),
        (["2025-03-02"], "on the 2nd of March"),
        (["2025-03-02"], "**2 Mar 2025** was the busiest"),
        (["14:30"], "It starts at 2:30 PM."),
        (["14:00"], "at 2 p.m. on March 2"),
        (["09:00"], "at 9am"),
        (["00:15"], "at 12:15 am"),
        (["1234"], "There were 1,234 visits"),
        (["3"], "You have three meetings."),
        (["3"], "You have 3 on 2025-03-12."),
        (["20.86"], "20.857 seconds on average"),
        (["20.86"], "about 20.9 seconds"),
        (["Ana Ruiz", "4"], "ana ruiz, with 4"),
        (["724-857-2625"], "The number is 724-857-2625."),
        (["ana.ruiz@acme.example"], "Write to ana.ruiz@acme.example."),
        (["7"], "She has 7 separate tasks."),
        (["3"], "Mariana has 3 decisions to make"),
        (["5"], "Maybe 5 emails"),
        (["2027-01-27"], "on 2027\u201101\u201127"),
        (["2027-01-27"], "27.01.2027"),
        (["2027-01-27"], "01/27/2027"),
        (["2027-01-27"], "2027-01-27T10:00"),
        (["2027-01-27"], "27-Jan-2027"),
        (["2027-01-27"], "January the 27th"),
        (["2027-01-27"], "_2027-01-27_"),
        (["32"], "direct:32"),
        (["5"], '{"count":5}'),
        (["180"], "180min"),
        (["13"], "thirteen of them"),
        (["32"], "thirty-two"),
        (["0"], "There are none."),
        (["search engine"], "Search engines are on top"),
        (["social media"], "Social-media"),
        (["12:00"], "at noon"),
        (["14:00"], "2 o'clock"),
        (["14:00"], "2026-01-01T14:00:00"),
        (["14:00"], "at 14.00"),
        (["826-555-0150"], "(826) 555-0150"),
        (["826-555-0150"], "826.555.0150"),
        (["O'Neil"], "It is O\u2019Neil."),
        (["18"], "There were 18: 3, 5, 6 and 4 on the four days, so 18."),
        (["18"], "Monday 3, Tuesday 5, Wednesday 6, Thursday 1, Friday 2, together 18"),
    ],
)
def test_a_value_may_be_told_in_any_common_way(answer: list[str], words: str) -> None:
    assert is_answered(answer, words)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (["2025-03-02"], "It was on 2025-03-03."),
        (["2025-03-02"], "March 2, 2024"),
        (["14:30"], "at 2:30 am"),
        (["3"], "on March 3"),
        (["3"], "on 2025-03-03"),
        (["3"], "at 3 pm"),
        (["3"], "thirteen, 13, 30, 3.5"),
        (["20.86"], "about 21 seconds"),
        (["20.86"], "20.8"),
        (["12"], "It is 00000012."),
        (["Ana"], "Anabel"),
        (["7"], "one of " + " ".join(map(str, range(20)))),
        (["2025-03-02"], " ".join(f"2025-03-{day:02}" for day in range(1, 31))),
        (["09:00"], " ".join(f"{hour}:00" for hour in range(24))),
        (["b@x.yz"], " ".join(f"{letter}@x.yz" for letter in "abcdefghijklmnopqrstuvw")),
        (["Ana"], ""),
    ],
)
def test_another_value_or_a_list_of_guesses_does_not_tell_it(answer: list[str], words: str) -> None:
    assert not is_answered(answer, words)


def test_of_many_names_the_first_or_last_is_meant() -> None:
    rivals = ["Ana", "Bo", "Chidi", "Dan", "Eve"]
    assert is_answered(["Ana"], "Ana has most, before Bo, Chidi and Dan.", rivals=rivals)
    assert not is_answered(["Bo"], "Ana, Bo, Chidi, Dan or Eve", rivals=rivals)
    assert is_answered(["Bo", "4"], "Bo has 4 of them", rivals=rivals)


def test_what_was_asked_is_no_guess() -> None:
    assert is_answered(["7"], "Of 9, 10 and 11 in rooms 2 and 3: 7", request="of 9, 10 and 11 in rooms 2 and 3?")


def test_long_answers_are_read_in_no_time() -> None:
    started = time.process_time()
    for words in ("a" * 60_000, "a" * 19_000, "1." * 9_000, "1 " * 9_000, "@" * 19_000, "ana " * 4_000, "(" * 19_000):
        for answer in (["x@y.z", "2027-01-27", "7", "826-555-0150", "14:00"], ["x@y.z"], ["826-555-0150"], ["7"]):
            is_answered(answer, words)
    assert time.process_time() - started < 3


@pytest.mark.parametrize("value", ["2026-02-30", "25:99", "2026-13-45", "", "--"])
def test_a_value_that_is_no_date_is_a_text(value: str) -> None:
    assert is_answered([value], f"It is {value}.") == bool(value.strip("-"))
