"""A person plays a side through a real terminal: a child process on a pseudo-terminal, with a loop of its own."""

import asyncio
import io
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import Console

from usergym.types import Message, Tool, Turn
from usergym.users.human import HumanParticipant

PLAY = Path(__file__).with_name("human_at_a_terminal.py")
LOOK = Tool("look", "Looks something up.", {"type": "object"})


class Screen:
    def __init__(self, master: int, child: subprocess.Popen[bytes]) -> None:
        self.master, self.child, self.seen = master, child, ""

    def write(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def until(self, words: str, seconds: float = 20.0) -> str:
        """What appears up to and with `words`."""
        end = time.monotonic() + seconds
        while words not in self.seen:
            if not select.select([self.master], [], [], max(0.0, end - time.monotonic()))[0]:
                raise AssertionError(f"{words!r} never appeared in {self.seen!r}")
            try:
                piece = os.read(self.master, 65536)
            except OSError:  # Linux: the other end is closed
                piece = b""
            if not piece and words not in self.seen:
                raise AssertionError(f"the child ended before {words!r}: {self.seen!r}")
            self.seen += piece.decode(errors="replace")
        shown, _, self.seen = self.seen.partition(words)
        return shown + words


@contextmanager
def at_a_terminal(speaker: str) -> Iterator[Screen]:
    master, slave = pty.openpty()
    environment = dict(os.environ, TERM="dumb", COLUMNS="200", PYTHONIOENCODING="utf-8")
    child = subprocess.Popen(
        [sys.executable, str(PLAY), speaker], stdin=slave, stdout=slave, stderr=slave, env=environment
    )
    os.close(slave)
    try:
        yield Screen(master, child)
    finally:
        child.kill()
        child.wait()
        os.close(master)


@pytest.mark.parametrize("speaker", ["user", "assistant"])
def test_a_person_plays_either_side_and_sees_only_what_was_said(speaker: str) -> None:
    with at_a_terminal(speaker) as screen:
        if speaker == "assistant":
            screen.until("They: line 0")
        screen.until("you> ")
        screen.write("hello there\n")
        shown = screen.until("you> ")
        assert "They: line" in shown
        assert "secret" not in shown
        screen.write("two\\\n")
        screen.until("...> ")
        screen.write("lines é\n")
        shown = screen.until("you> ")
        assert "line" in shown
        assert "hello there" not in shown.split("They:")[1]
        screen.write("/quit\n")
        ended = screen.until("END")
        assert f"stop={speaker}_stop" in ended
        assert r"'two\nlines é'" in ended
        assert screen.child.wait(10) == 0


def test_control_d_leaves_and_the_event_loop_goes_on_while_the_person_thinks() -> None:
    with at_a_terminal("user") as screen:
        screen.until("you> ")
        time.sleep(0.4)
        screen.write("\x04")
        ended = screen.until("END")
        assert "stop=user_stop" in ended
        ticks = int(ended.split("ticks=")[1].split()[0])
        assert ticks >= 20
        assert screen.child.wait(10) == 0


def test_control_c_ends_the_program_at_once() -> None:
    with at_a_terminal("user") as screen:
        screen.until("you> ")
        screen.child.send_signal(2)
        assert screen.child.wait(10) != 0


def test_a_tool_can_be_called_from_the_keyboard() -> None:
    with at_a_terminal("user") as screen:
        screen.until("you> ")
        screen.write("/tools\n")
        assert "Looks something up." in screen.until("you> ")
        screen.write('/tool look {"what": "rain"}\n')
        assert "Result: looked" in screen.until("you> ")
        screen.write("/quit\n")
        assert '\'{"what": "rain"}\'' in screen.until("END")


def speak(lines: list[str], view: list[Message], tools: tuple[Tool, ...] = ()) -> tuple[Turn, str]:
    typed = iter(lines)
    screen = io.StringIO()

    async def ask(prompt: str) -> str:
        for line in typed:
            return line
        raise EOFError

    person = HumanParticipant("user", tools=tools, ask=ask, console=Console(file=screen, width=200))
    return asyncio.run(person.speak(view)), screen.getvalue()


def test_what_is_wrong_with_a_command_is_said_and_asked_again() -> None:
    lines = ["", "/wat", "/tool", "/tool dance", "/tool look [1]", '/tool look {"a"', "/help", "//slash", "never"]
    turn, shown = speak(lines, [], (LOOK,))
    assert turn.message.content == "/slash"
    for words in ("No command /wat", "No tool ''. Tools: look.", "No tool 'dance'", "an object is expected", "/quit"):
        assert words in shown
    assert speak(["/tools"], [])[1].count("There are no tools here.") == 1


def test_a_call_gets_arguments_as_written_and_an_id_from_its_place() -> None:
    view = [Message("user", "hi"), Message("assistant", "yes?"), Message("user", "look")]
    (call,) = speak(["/tool look"], view, (LOOK,))[0].message.tool_calls
    assert (call.id, call.name, call.arguments) == ("call_3_0", "look", "{}")


def test_the_end_of_input_is_leaving_and_says_nothing() -> None:
    turn, _ = speak([], [])
    assert (turn.stop, turn.said) == ("user_stop", "")


def test_what_a_model_wrote_cannot_steer_the_terminal() -> None:
    _, shown = speak([], [Message("user", "a\x1b[2Jb [red]bold[/red] \u00a0ok")])
    assert "\x1b[2J" not in shown
    assert "[red]bold[/red] \u00a0ok" in shown


def test_lines_from_a_pipe_and_from_a_file_are_read_to_their_end(tmp_path: Path) -> None:
    script = "import asyncio\nfrom usergym.users.human import Terminal\n" + READ_ALL
    words = "one\r\n\ntwo é\nlast"
    piped = subprocess.run([sys.executable, "-c", script], input=words.encode(), capture_output=True, timeout=60)
    path = tmp_path / "words"
    path.write_bytes(words.encode())
    with path.open("rb") as file:
        filed = subprocess.run([sys.executable, "-c", script], stdin=file, capture_output=True, timeout=60)
    for process in (piped, filed):
        assert process.stdout.decode().splitlines()[-1] == "['one', '', 'two é', 'last']", process.stderr


READ_ALL = """
async def main():
    terminal, lines = Terminal(), []
    try:
        while True:
            lines.append(await terminal.line(""))
    except EOFError:
        print(ascii(lines).encode().decode("unicode_escape"))
asyncio.run(main())
"""
