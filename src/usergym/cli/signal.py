"""`usergym signal`: what a reaction says of each token of a reply."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from usergym.cli import signal_sources
from usergym.cli.errors import told_in_one_line
from usergym.cli.options import Json, at_least, run_folder
from usergym.cli.signal_sources import Source
from usergym.cli.signal_text import show
from usergym.cli.tables import errors, print_json
from usergym.training import checkpoints, signal_cases
from usergym.training.chat import Chat
from usergym.training.hindsight import Template, template_of
from usergym.training.signal_cases import Case, Control
from usergym.training.signal_figures import Aggregate, LeftOut, TokenSignal, aggregate, figures
from usergym.training.signal_figures import limit as ends_of
from usergym.viewer.signal import write_page

LIMIT = 20


@told_in_one_line
def signal(
    source: Path | None = None,
    /,
    *,
    model: str,
    cases: Path | None = None,
    n_cases: int | None = None,
    id: str | None = None,
    limit: int | None = None,
    template: str = "neutral",
    control: Control = "unrelated",
    chat_template: Path | None = None,
    max_tokens: int = 256,
    min_tokens: int = 80,
    seed: int = 0,
    out: Path | None = None,
    html: Path | None = None,
    summary: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
) -> int:
    """Show what a reaction says of each token of a reply, and beside it what an unrelated remark says.

    A model scores the same reply with and without the reaction; where it is likelier with it, the reaction speaks for
    the token (green), else against it (red). Without a source fourteen cases of our own are played: the model replies
    itself, and to each reply belong a reaction that wants more of the same and one that wants something else. Nothing
    is ever cut to fit: what does not is left out, and told.

    Examples:

        usergym signal --model local/smollm2 --n-cases 4
        usergym signal runs/NAME --model runs/NAME --limit 5 --html signal.html
        usergym signal tuples.jsonl --model Qwen/Qwen3-0.6B --out runs/signal

    Parameters
    ----------
    source
        A run folder (a bare name means runs/NAME), or a file of conversations or of tuples x, y, o: every reply that
        was answered is a case. Without it: cases of our own.
    model
        Who scores: a folder, a run, a .gguf file, local/smollm2, or a hub id.
    cases
        TOML or JSON file of cases of your own, as docs/signal.md describes.
    n_cases
        So many cases; more than there are begin again with other replies. Default: each once.
    id
        Only this case, request or conversation.
    limit
        Of a source: the first so many answered replies. Default: 20.
    template
        How the reaction is put to the model: neutral, improve, critique, bare, or a file with the slot {reaction}.
    control
        What stands in the reaction's place beside it: an unrelated remark, the reaction to another request (shuffled),
        the empty frame, or none.
    chat_template
        Jinja file, for a model that brings no chat template.
    max_tokens
        Longest reply that is sampled.
    min_tokens
        A sampled reply that is shorter is sampled again, six times at most.
    seed
        Decides replies, remarks, and the draws of the bootstrap.
    out
        Folder for signals.json and signals.html; a bare name means runs/NAME.
    html
        File for the page alone.
    summary
        Print the figures without the tokens.
    json
        Print one JSON object instead.
    """
    at_least(1, n_cases=n_cases, limit=limit, max_tokens=max_tokens)
    at_least(0, min_tokens=min_tokens)
    if source is not None and (cases is not None or n_cases is not None):
        raise ValueError(f"{source} brings its own replies; leave --cases and --n-cases away, --limit says how many")
    if source is None and limit is not None:
        raise ValueError("--limit is for a run or a file; --n-cases says how many cases are played")

    folder = run_folder(str(out), "signal") if out else None
    pages = [path for path in (html, folder and folder / "signals.html") if path]
    asked = _Asked(model, chat_template, template_of(template), control, max_tokens, min_tokens, seed)
    checkpoints.check(model, chat_template)
    if source is None:
        given = signal_sources.made_up(cases, id, n_cases)
    else:
        given = signal_sources.recorded(source, id, limit or LIMIT)
    for path in pages:
        path.parent.mkdir(parents=True, exist_ok=True)
    found, cut = _score(given.cases, asked)
    totals = aggregate(found, seed)
    ends = ends_of(each for each in found if isinstance(each, TokenSignal))
    whole = {**asked.told(), "limit": ends, **_as_json(found, totals, cut)}
    for path in pages:
        write_page(path, found, f"Signals of {model}", totals, cut)
    if folder:
        (folder / "signals.json").write_bytes(msgspec.json.encode(whole) + b"\n")
    if json:
        print_json(whole)
    else:
        console = Console()
        show(console, found, totals, ends, summary, cut)
        for line in _notes(given, [*([folder / "signals.json"] if folder else []), *pages]):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    return 0 if totals.scored else 1


@dataclass(frozen=True)
class _Asked:
    model: str
    chat_template: Path | None
    template: Template
    control: Control
    max_tokens: int
    min_tokens: int
    seed: int

    def told(self) -> dict[str, Any]:
        told = {"model": self.model, "template": self.template.name, "control": self.control, "seed": self.seed}
        return {**told, "max_tokens": self.max_tokens}


def _score(cases: Sequence[Case], asked: _Asked) -> tuple[list[TokenSignal | LeftOut], set[str]]:
    """And the ids of cases whose sampled reply was cut: it has no end token."""
    from usergym.training import token_signal

    model, tokenizer = checkpoints.load(asked.model, trainable=False, template=asked.chat_template)
    model, chat = token_signal.placed(model), Chat(tokenizer)
    lengths = {"max_tokens": asked.max_tokens, "min_tokens": asked.min_tokens}
    cut: set[str] = set()
    if samples := {case.sample for case in cases if case.sample}:
        with _progress("sampling replies", len(samples)) as each:
            made = token_signal.sampled(model, chat, cases, **lengths, seed=asked.seed, each=each)
        ended = {key for key, reply in made.items() if reply[-1] in chat.end_ids}
        cut = {case.id for case in cases if case.sample in made and case.sample not in ended}
        cases = signal_cases.with_replies(cases, made)
    frame, control = asked.template, asked.control
    with _progress("scoring", len(cases)) as each:
        found = token_signal.token_signals(
            model, chat, cases, template=frame, control=control, seed=asked.seed, each=each
        )
    return found, cut


@contextmanager
def _progress(label: str, total: int) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, disable=not errors.is_terminal, transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda done: bar.update(task, completed=done)


def _notes(given: Source, written: Sequence[Path]) -> Iterator[str]:
    if given.failed or given.unanswered:
        failed, unanswered = (
            f"{given.failed:,} conversations that failed",
            f"{given.unanswered:,} without an answered reply",
        )
        yield f"without a case: {failed}, {unanswered}"
    if given.more:
        yield f"these are the first {len(given.cases):,} answered replies; --limit shows more, --id one"
    if written:
        yield f"written: {', '.join(map(str, written))}"


def _as_json(found: Sequence[TokenSignal | LeftOut], totals: Aggregate, cut: set[str]) -> dict[str, Any]:

    def listed(values: Any) -> list[float] | None:
        return None if values is None else values.tolist()

    cases = [
        {
            **msgspec.structs.asdict(each),
            "cut": each.id in cut,
            "signal": listed(each.signal),
            "control_signal": listed(each.control_signal),
            "adjusted": listed(each.adjusted),
            "figures": figures(each),
        }
        for each in found
        if isinstance(each, TokenSignal)
    ]
    left_out = [each for each in found if not isinstance(each, TokenSignal)]
    return {"aggregate": totals, "cases": cases, "left_out": left_out}
