"""`usergym study`: a blinded comparison that people take in their browsers, from the plan to the export."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from cyclopts import App, Parameter

from usergym.cli.errors import told_in_one_line
from usergym.cli.options import Json, at_least
from usergym.cli.tables import console, counted, errors, print_json
from usergym.evaluation.study_folder import CODES

if TYPE_CHECKING:
    from usergym.serving.study_store import StudyStore

study = App(name="study", help="Let people compare candidate texts side by side, without knowing whose they are.")
Flag = Annotated[bool, Parameter(negative="")]


@study.command
@told_in_one_line
def serve(
    *items: str,
    out: Path,
    host: str = "127.0.0.1",
    port: int = 8008,
    url: str = "",
    settings: Path | None = None,
    raters: int | None = None,
    each: int | None = None,
    write: int | None = None,
    states: Flag = False,
    checks: int | None = None,
    reason_words: int | None = None,
    invite: int = 0,
    open: Flag = False,
    seed: int | None = None,
    json: Json = False,
) -> None:
    """Serve the pages of a study. Every answer is kept at once in OUT/answers.jsonl; Ctrl-C ends it, and the same
    command, or `usergym study serve --out OUT`, goes on.

    Examples:

        usergym study serve items.jsonl --out runs/study
        usergym study serve tuned=runs/tuned base=runs/base --out runs/study --write 40 --states --raters 5
        usergym study serve --out runs/study --host 0.0.0.0 --invite 30

    Parameters
    ----------
    items
        A file of items (id, context, candidates {system: text}; persona and truth where there are), or two to four
        runs or files of responses to the same tasks: PATH or NAME=PATH. Left out: those of the study in OUT.
    out
        Folder of the study.
    host
        Address to listen on. One that others can reach needs --invite or --open.
    port
        Port to listen on; 0 takes a free one.
    url
        The address that participants open, where another server stands before this one: https://study.example.org
    settings
        TOML or JSON file: title, consent, questions, levels and the rest, as docs/study.md describes.
    raters
        Answers that every item gets.
    each
        Items that one participant compares.
    write
        Let participants write their own reply first, of so many words at least; texts are then likened to it.
    states
        Let them say what stance, emotion, belief, value, goal and manner are behind it.
    checks
        Attention checks for each participant.
    reason_words
        Fewest words of the reason for each comparison.
    invite
        Make so many codes, in OUT/codes.txt; without one of them nobody can take part.
    open
        Whoever has the address may take part.
    seed
        Decides who compares what, and in which order.
    """
    at_least(0, invite=invite)
    flags = {"raters": raters, "items_each": each, "write": write, "checks": checks, "reason_words": reason_words}
    given: dict[str, Any] = {name: value for name, value in (flags | {"seed": seed}).items() if value is not None}
    from usergym.evaluation.study_records import state_fields
    from usergym.serving.study import study_app
    from usergym.serving.study_host import check_openness, serve_study

    if states:
        given["levels"] = state_fields()
    check_openness(host, url, bool(invite) or (out / CODES).exists(), open)
    store = _begun(items, out, settings, given, invite) if items else _gone_on_with(out, settings, given, invite)

    def announce(taken: int) -> None:
        address = url or f"http://{f'[{host}]' if ':' in host else host}:{taken}"
        _announce(store, address, json)

    try:
        serve_study(study_app(store, url, host), host, port, announce)
    finally:
        store.close()


def _begun(
    items: tuple[str, ...], out: Path, settings: Path | None, given: dict[str, Any], invite: int
) -> "StudyStore":
    """A new study, or one that is given the same items again."""
    from usergym.evaluation.study_items import gather
    from usergym.evaluation.study_records import settings_of
    from usergym.serving.study_store import StudyStore

    gathered = gather(items)
    store = StudyStore(out, settings_of(settings, given), {item.id: item for item in gathered.items}, invite)
    notes = [f"left out: {reason} ({count:,})" for reason, count in gathered.left_out.items()]
    if gathered.named:
        named = counted(gathered.named, "item holds", "items hold")
        notes.append(f"{named} a system's name in a text, by which readers may tell it")
    for note in notes:
        errors.print(note, style="yellow", markup=False, highlight=False)
    return store


def _gone_on_with(out: Path, settings: Path | None, given: dict[str, Any], invite: int) -> "StudyStore":
    from usergym.serving.study_store import StudyStore

    if settings is not None:
        raise ValueError("--settings begins a study, with its items; one that goes on keeps its own")
    return StudyStore.reopen(out, given, invite)


def _announce(store: "StudyStore", address: str, json: bool) -> None:
    count, people = len(store.progress.items), len(store.progress.people)
    if json:
        print_json({"url": address, "items": count, "participants": people})
    else:
        where = f"; codes to hand out: {store.folder / CODES}" if store.codes else ""
        who = f"{counted(people, 'participant')} so far"
        text = f"study of {counted(count, 'item')}, {who}, at {address}{where} (Ctrl-C ends it)"
        console.print(text, markup=False, highlight=False, soft_wrap=True)
    sys.stdout.flush()


@study.command
@told_in_one_line
def export(
    folder: Path,
    /,
    *,
    blind: Flag = False,
    texts: Flag = False,
    allowed_failures: int = 0,
    least_seconds: float = 15.0,
    everybody: Flag = False,
    out: Path | None = None,
    csv: Annotated[bool, Parameter(name="--csv", negative="")] = False,
    seed: int = 0,
    json: Json = False,
) -> None:
    """Say what a study found. It may still be running.

    Examples:

        usergym study export runs/study
        usergym study export runs/study --csv --out answers.csv
        usergym study export runs/study --blind --json --out for_others.json

    Parameters
    ----------
    folder
        Folder of the study.
    blind
        For outsiders: letters for systems, numbers for items, hashes for participants, and no free words.
    texts
        With --blind: keep what participants wrote in free words. Read it first; people write things about themselves.
    allowed_failures
        Attention checks that one may fail and still count.
    least_seconds
        Whose median comparison took less is left out.
    everybody
        Leave nobody out.
    out
        File to write to instead of the terminal.
    csv
        Write the answers as CSV, one row for each candidate of each comparison.
    seed
        Of the bootstrap.
    json
        Write figures, participants and answers as one JSON object.
    """
    from usergym.evaluation.study_answers import Rules
    from usergym.evaluation.study_export import as_csv
    from usergym.evaluation.study_export import export as exported

    at_least(0, allowed_failures=allowed_failures, least_seconds=least_seconds)
    if csv and json:
        raise ValueError("--csv and --json are two forms; give one of them")
    if texts and not blind:
        raise ValueError("--texts belongs to --blind; without it all is told anyway")
    if out and not (csv or json):
        raise ValueError("--out wants to know the form: give --csv or --json")
    found = exported(folder, Rules(allowed_failures, least_seconds, everybody), blind=blind, texts=texts, seed=seed)
    if not (csv or json):
        from usergym.cli.study_tables import tables

        for table in tables(found.analysis):
            console.print(table, markup=False, highlight=False)
        return
    text = as_csv(found.answers) if csv else msgspec.json.format(msgspec.json.encode(found)).decode() + "\n"
    if out is None:
        print(text, end="")
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    errors.print(f"wrote {out}", markup=False)


@study.command
@told_in_one_line
def plan(
    *,
    effect: float,
    power: float = 0.8,
    each: int = 5,
    systems: int = 3,
    raters: int = 3,
    spread: float = 0.3,
    level: float = 0.05,
    draws: int = 1000,
    seed: int = 0,
    json: Json = False,
) -> None:
    """Say how many participants and answers a study needs, by playing it many times with made-up ratings.

    Example:

        usergym study plan --effect 0.5 --power 0.8

    Parameters
    ----------
    effect
        Cohen's d of two systems' ratings on one page: 0.2 is small, 0.5 middling, 0.8 large.
    power
        The chance to find it.
    each
        Comparisons of one participant.
    systems
        On one page; all pairs are tested.
    raters
        Answers for each item.
    spread
        The share of the variance that lies between participants.
    level
        Chance of finding any difference where there is none.
    draws
        Simulated studies.
    seed
        Of the simulation.
    """
    from usergym.cli.study_tables import told
    from usergym.evaluation.study_power import Assumed, needed

    at_least(1, raters=raters, draws=draws)
    found = needed(Assumed(effect, each, systems, spread, level), power, raters, draws, seed)
    if json:
        print_json(found)
    else:
        console.print(told(found), markup=False, highlight=False)
