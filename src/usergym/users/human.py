"""A person at the terminal, on either side of the conversation."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from unicodedata import category

from rich.console import Console
from rich.text import Text

from usergym.types import Message, Seat, Speaker, Tool, ToolCall, Turn

HELP = """\
Write what you say and press Enter; a backslash at the end of a line goes on in the next one.
/quit            leave (so does the end of input, Ctrl-D)
/tools           what you can call
/tool NAME JSON  call a tool, for example /tool search {"query": "rain"}
/help            this
//...            words that begin with a slash
"""

Ask = Callable[[str], Awaitable[str]]
"""Shows a prompt and gives the line that was written, without its end. EOFError when there are no more."""


class Terminal:
    """Reads lines from standard input while the event loop goes on. Two people at one input share one of these:
    it holds what was read beyond the line."""

    def __init__(self, file: int = 0) -> None:
        self.file = file
        self.read = b""

    async def line(self, prompt: str) -> str:
        sys.stdout.write(prompt)
        sys.stdout.flush()
        while b"\n" not in self.read:
            piece = await self._piece()
            if not piece and not self.read:
                raise EOFError
            if not piece:
                break
            self.read += piece
        words, _, self.read = self.read.partition(b"\n")
        return words.decode(errors="replace").removesuffix("\r")

    async def _piece(self) -> bytes:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        try:
            loop.add_reader(self.file, ready.set)
        except (PermissionError, NotImplementedError):
            # A file never makes one wait; on Windows the loop cannot watch a terminal.
            return await asyncio.to_thread(os.read, self.file, 65536)
        try:
            await ready.wait()
        finally:
            loop.remove_reader(self.file)
        return os.read(self.file, 65536)


class HumanParticipant:
    """Shows what was heard since its own last turn, then asks for words or a command.

    Leaving gives a turn that says nothing and stops with `{speaker}_stop`.
    """

    def __init__(
        self,
        speaker: Speaker,
        seat: Seat = Seat(model="human"),
        tools: Sequence[Tool] = (),
        ask: Ask | None = None,
        console: Console | None = None,
    ) -> None:
        self.speaker = speaker
        self.seat = seat
        self.tools = tools
        self.ask = ask or Terminal().line
        self.console = console or Console()

    async def speak(self, view: Sequence[Message]) -> Turn:
        self._show(view)
        while True:
            try:
                words = await self._written()
            except EOFError:
                words = "/quit"
            command, _, rest = words.partition(" ")
            if words.startswith("//"):
                return Turn(self.speaker, Message("assistant", words[1:]))
            if command == "/quit":
                return Turn(self.speaker, Message("assistant", ""), heard="", stop=f"{self.speaker}_stop")
            if command == "/tool":
                if call := self._call(rest.strip(), f"call_{len(view)}_0"):
                    return Turn(self.speaker, Message("assistant", tool_calls=(call,)))
            elif command == "/tools":
                self._list_tools()
            elif command == "/help":
                self._say(HELP, "dim")
            elif command.startswith("/"):
                self._say(f"No command {command}; /help lists them.", "red")
            elif words:
                return Turn(self.speaker, Message("assistant", words))

    async def _written(self) -> str:
        """One line, or several where each but the last ends in a backslash."""
        lines = [await self.ask("you> ")]
        while lines[-1].endswith("\\"):
            lines[-1] = lines[-1][:-1]
            lines.append(await self.ask("...> "))
        return "\n".join(lines).strip()

    def _call(self, rest: str, id: str) -> ToolCall | None:
        name, _, arguments = rest.partition(" ")
        names = [tool.name for tool in self.tools]
        arguments = arguments.strip() or "{}"
        if name not in names:
            self._say(f"No tool {name!r}. Tools: {', '.join(names) or 'none'}.", "red")
            return None
        try:
            if not isinstance(json.loads(arguments), dict):
                raise ValueError("an object is expected")
        except ValueError as error:
            self._say(f'The arguments of {name} are no JSON object ({error}); write them as {{"name": value}}.', "red")
            return None
        return ToolCall(id, name, arguments)

    def _list_tools(self) -> None:
        for tool in self.tools:
            self._say(f"{tool.name}  {tool.description}\n    {json.dumps(tool.parameters)}", "dim")
        if not self.tools:
            self._say("There are no tools here.", "dim")

    def _show(self, view: Sequence[Message]) -> None:
        own = [place for place, message in enumerate(view) if message.role == "assistant"]
        for message in view[own[-1] + 1 :] if own else view:
            style = {"system": "dim", "user": "bold", "tool": "cyan"}.get(message.role, "")
            title = {"system": "Your part", "user": "They", "tool": "Result"}.get(message.role, "")
            self._say(f"{title}: {message.content}", style)
        if not own:
            self._say("/help shows what else you can write.", "dim")

    def _say(self, words: str, style: str) -> None:
        # What a model wrote must not steer the terminal.
        safe = "".join("\ufffd" if category(letter) == "Cc" and letter not in "\n\t" else letter for letter in words)
        self.console.print(Text(safe, style))
