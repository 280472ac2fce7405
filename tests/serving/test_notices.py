import pytest

from usergym.serving.notices import SECONDS, Notices


def test_one_line_of_a_kind_is_printed_in_a_while_and_the_others_are_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = [0.0]
    notices = Notices(lambda: now[0])
    for _ in range(5):
        notices.tell("stopped", "the key\nis refused")
    notices.tell("unavailable", "nobody answers")
    now[0] += SECONDS
    notices.tell("stopped", "the key is refused")
    assert capsys.readouterr().err.splitlines() == [
        "error: the key is refused",
        "error: nobody answers",
        "error: the key is refused (and 4 more like it before)",
    ]
