"""One command of usergym, made of variables: what it is, what was found out about it, and how it is started."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from machine import launcher

from usergym.models.base import StopRun


@dataclass
class Findings:
    """What is wrong is raised at once, or, in a dry run, kept and told; in the words of the script's variables."""

    dry: bool
    owned: Mapping[str, str] = field(default_factory=dict)
    """The variable of a flag."""
    problems: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """Keys: they may be set later."""
    good: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Told before a run too."""

    @contextmanager
    def looking(self) -> Iterator[None]:
        try:
            yield
        except (KeyError, IndexError):
            raise
        except StopRun as error:
            self._keep(self.missing, error)
        except (ValueError, LookupError) as error:
            self._keep(self.problems, self._in_variables(error))
        except OSError as error:
            self._keep(self.problems, error)

    def _in_variables(self, error: ValueError | LookupError) -> ValueError | LookupError:
        told = str(error)
        for flag, name in self.owned.items():
            told = re.sub(rf"{flag}(?![\w-])", name, told)
        return error if told == str(error) else ValueError(told)

    def _keep(self, told: list[str], error: BaseException) -> None:
        if not self.dry:
            raise error
        if str(error) not in told:
            told.append(str(error))


@dataclass
class Job:
    verb: tuple[str, ...]
    place: str
    """module:function of the verb."""
    flags: list[list[str]]
    """Each with its values; what begins with no -- are files."""
    owned: Mapping[str, str] = field(default_factory=dict)
    """The variable of a flag."""
    extras: Sequence[str] = ()
    world: int = 1
    there: int = 0
    """GPUs."""
    accelerate: Path | None = None
    environment: dict[str, str] = field(default_factory=dict)
    """Added to the command's environment."""
    write: Callable[[], None] = lambda: None
    """Makes the files that the command reads."""
    estimate: Callable[[inspect.BoundArguments], list[str]] = lambda _: []

    def refuse_taken(self) -> None:
        """ValueError for a flag behind -- that a variable sets."""
        if taken := next((name for name in self._given() if name in self.owned), None):
            raise ValueError(f"{taken} is what {self.owned[taken]} sets here; give {self.owned[taken]}=VALUE")

    def arguments(self) -> list[list[str]]:
        """What follows the verb; a flag behind -- is in the place of ours."""
        given = self._given()
        ours = [flag for flag in self.flags if _name(flag[0]) not in given]
        return [*ours, *_grouped(self.extras)]

    def _given(self) -> list[str]:
        return [_name(text) for text in self.extras if text.startswith("--")]

    def parsed(self) -> inspect.BoundArguments:
        """The arguments as the verb will read them. ValueError for what it does not know."""
        from cyclopts import App, CycloptsError, Parameter

        module, _, name = self.place.partition(":")
        app = App(name="usergym", default_parameter=Parameter(negative_iterable=()), help_flags=(), version_flags=())
        app.default(getattr(import_module(module), name))
        tokens = [token for group in self.arguments() for token in group]
        try:
            _, bound, _ = app.parse_args(tokens, exit_on_error=False, print_error=False)
        except CycloptsError as error:
            raise ValueError(f"usergym {' '.join(self.verb)}: {' '.join(str(error).split())}") from None
        return bound

    def command(self) -> list[list[str]]:
        """In groups, of which each is a line where it is shown."""
        start = launcher(self.world, self.there, self.accelerate)
        return [[*start, "-m", "usergym", *self.verb], *self.arguments()]


def _name(flag: str) -> str:
    name = flag.partition("=")[0]
    return {"--fresh": "--resume", "--env": "--envs"}.get(name, name.replace("--no-", "--", 1))


def _grouped(tokens: Sequence[str]) -> list[list[str]]:
    groups: list[list[str]] = []
    for token in tokens:
        if token.startswith("--") or not groups:
            groups.append([])
        groups[-1].append(token)
    return groups
