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
