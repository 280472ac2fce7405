"""The pages of a study. A template is given texts under letters and never an item, so no system can be told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from usergym.evaluation.study_progress import Assigned, Progress, Taken
from usergym.evaluation.study_records import LETTERS, Item, Said, Stage
from usergym.serving.study_forms import Field, fields_of, reference_of, steps
from usergym.types import valid_text

CSS = files("usergym.serving").joinpath("study_pages/study.css").read_bytes()
JS = files("usergym.serving").joinpath("study_pages/study.js").read_bytes()

HEADINGS: dict[Stage, str] = {
    "intake": "First, a few questions about you",
    "write": "What would you write?",
    "annotate": "What is behind your reply?",
    "compare": "Compare the texts",
}


@dataclass(frozen=True)
class Candidate:
    """One text on the page."""

    letter: str
    text: str
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Sheet:
    """All that a page of a stage may show."""

    stage: Stage
    heading: str
    page: int
    done: int
    total: int
    context: tuple[Said, ...]
    persona: str
    reference: str
    reference_kind: str
    candidates: tuple[Candidate, ...]
    fields: tuple[Field, ...]
    """Those that belong to no candidate."""
    values: Mapping[str, str]
    problems: Mapping[str, str]
    labels: Mapping[str, str]
    """Of every field, with its candidate's letter."""


def sheet(
    progress: Progress, person: Taken, stage: Stage, item_id: str, values: Mapping[str, str], wrong: Mapping[str, str]
) -> Sheet:
    """The page of one stage of one participant, with what they have filled in so far."""
    settings = progress.settings
    item = progress.items[item_id] if item_id else None
    assigned = person.assigned[-1] if item else None
    fields = fields_of(settings, stage, item, assigned)
    kind = reference_of(settings, item) if item else "none"
    own = person.done.get(("write", item_id), {}).get("reply", "")
    reference = {"own": own, "truth": item.truth if item else "", "none": ""}[kind]
    comparing = stage == "compare"
    done, total = steps(progress, person)
    return Sheet(
        stage,
        HEADINGS[stage],
        len(person.done),
        done,
        total,
        item.context if item else (),
        item.persona if item and settings.show_persona and kind != "own" else "",
        reference if comparing or (stage == "annotate" and kind == "own") else "",
        kind,
        _candidates(item, assigned, fields) if comparing and item and assigned else (),
        tuple(field for field in fields if field.candidate is None),
        values,
        wrong,
        {field.name: _label(field) for field in fields},
    )


def _candidates(item: Item, assigned: Assigned, fields: Sequence[Field]) -> tuple[Candidate, ...]:
    texts = [item.candidates[item.systems[place]] for place in assigned.order]
    return tuple(
        Candidate(LETTERS[n], text, tuple(field for field in fields if field.candidate == n))
        for n, text in enumerate(texts)
    )


def _label(field: Field) -> str:
    if field.kind == "rank":
        return f"{field.label}: its place in the order."
    return field.label if field.candidate is None else f"Text {LETTERS[field.candidate]}: {field.label}"


class Pages:
    """The templates, ready to be filled in."""

    def __init__(self) -> None:
        from usergym.evaluation.pages import templates

        self._templates = templates("usergym.serving", "study_pages")

    def welcome(self, progress: Progress, closed: bool, problem: str = "") -> str:
        settings = progress.settings
        return self._page(
            "welcome",
            title=settings.title,
            about=_paragraphs(settings.about),
            consent=_paragraphs(settings.consent),
            closed=closed,
            full=not closed and len(progress.people) >= settings.participants,
            problem=problem,
            code="",
        )

    def stage(self, title: str, code: str, shown: Sheet) -> str:
        return self._page("stage", title=title, code=code, sheet=shown)

    def done(self, progress: Progress, code: str, person: Taken) -> str:
        settings = progress.settings
        thanks = _paragraphs(settings.thanks)
        return self._page("done", title=settings.title, code=code, thanks=thanks, compared=person.compared())

    def notice(self, title: str, heading: str, message: str) -> str:
        return self._page("notice", title=title, heading=heading, message=message, code="")

    def _page(self, name: str, **values: object) -> str:
        return valid_text(self._templates.get_template(f"{name}.html.j2").render(**values))


def _paragraphs(text: str) -> list[str]:
    return [part.strip() for part in text.split("\n\n") if part.strip()]
