"""Where personas come from: our own generator, a data set on the hub, or a file or folder."""

import ast
import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from usergym.users.persona import Persona, generate

NEMOTRON = "nvidia/Nemotron-Personas-USA"
TRAIT_FIELDS = (
    "persona",
    "cultural_background",
    "skills_and_expertise",
    "skills_and_expertise_list",
    "hobbies_and_interests",
    "hobbies_and_interests_list",
    "career_goals_and_ambitions",
)
"""Fields of a row that are traits, in the order in which they are told."""
_TEXT_FIELDS = ("professional_persona", "persona", "text")
_SUFFIXES = (".jsonl", ".json", ".parquet", ".csv")


class PersonaError(ValueError):
    """A row that is no persona: names the file, the line or row, the field, and what was expected."""


def load(
    source: str, offset: int = 0, count: int | None = None, n_traits: int | None = None, seed: int = 0
) -> Iterator[Persona]:
    """Personas of `source`, from `offset` on, `count` of them or all there are.

    `source` is `generated` (unlimited, drawn by `seed`), a file (.jsonl, .json, .parquet, .csv) or a
    folder of such, or the id of a data set on the hub such as nvidia/Nemotron-Personas-USA. Rows have
    a text in `professional_persona`, `persona` or `text`. `n_traits` is how many traits each persona
    tells beyond that text; None tells all of a generated persona and none of a row's.

    Raises PersonaError for a bad row, LookupError for a source that is not there or cannot be reached.
    """
    if offset < 0 or (count is not None and count < 0) or (n_traits is not None and n_traits < 0):
        raise ValueError(f"offset {offset}, count {count}, n_traits {n_traits}: none may be negative")
    if source == "generated":
        drawn = islice(generate(seed, offset), count)
        return (msgspec.structs.replace(who, traits=who.traits[:n_traits]) for who in drawn)
    path = Path(source)
    if path.is_dir():
        rows = _folder_rows(path)
    elif path.exists():
        rows = _file_rows(path)
    elif path.suffix in _SUFFIXES or source.count("/") != 1:
        raise LookupError(
            f"no personas at {source!r}; give generated, a file, a folder, or a hub id such as {NEMOTRON}"
        )
    else:
        return (read(row, where, n_traits) for where, row in _hub_rows(source, offset, count))
    stop = None if count is None else offset + count
    return (read(row, where, n_traits) for where, row in islice(rows, offset, stop))


def read(row: object, where: str, n_traits: int | None = None) -> Persona:
    """A persona from a row: our own record, a row of texts, or a bare text. `where` is for errors."""
    if isinstance(row, str):
        row = {"text": row}
    if not isinstance(row, Mapping):
        raise PersonaError(f"{where}: expected an object or a text, found {type(row).__name__}")
    if "professional" in row:
        try:
            own = msgspec.convert(row, Persona)
        except msgspec.ValidationError as error:
            raise PersonaError(f"{where}: {error}") from error
        return msgspec.structs.replace(own, traits=own.traits[:n_traits])
    field = next((field for field in _TEXT_FIELDS if row.get(field) is not None), None)
    if field is None:
        there = ", ".join(map(str, row)) or "none"
        raise PersonaError(f"{where}: expected a text in {', '.join(_TEXT_FIELDS)}; its fields are: {there}")
    text = _text(row[field], field, where).removeprefix("PERSONA:").strip()
    if not text:
        raise PersonaError(f"{where}: field {field!r}: expected a text, found an empty one")
    known = [name for name in TRAIT_FIELDS if name != field and row.get(name)]
    told = [name for name in known if name.removesuffix("_list") not in known or name[-5:] != "_list"][: n_traits or 0]
    return Persona(
        professional=text,
        name=_optional(row, "name", where),
        sex=_sex(row, where),
        age=_age(row, where),
        city=_optional(row, "city", where),
        state=_optional(row, "state", where),
        education=_words(_optional(row, "education_level", where) or _optional(row, "education", where)),
        occupation=_words(_optional(row, "occupation", where)),
        interests=tuple(_items(row.get("hobbies_and_interests_list"))),
        traits=tuple(_trait(name, row[name], where) for name in told),
    )


def _text(value: object, field: str, where: str) -> str:
    if not isinstance(value, str):
        raise PersonaError(f"{where}: field {field!r}: expected a text, found {str(value)[:60]!r}")
    return value


def _optional(row: Mapping[str, Any], field: str, where: str) -> str:
    value = row.get(field)
    return "" if value is None else _text(value, field, where).strip()


def _words(text: str) -> str:
    return text.replace("_", " ")


def _sex(row: Mapping[str, Any], where: str) -> Any:
    sex = _optional(row, "sex", where).lower()
    return sex if sex in ("female", "male") else None


def _age(row: Mapping[str, Any], where: str) -> int | None:
    age = row.get("age")
    if age is None or age == "":
        return None
    try:
        return int(age)
    except (TypeError, ValueError):
        raise PersonaError(f"{where}: field 'age': expected a whole number, found {age!r}") from None


def _items(value: object) -> list[str]:
    """A list, which some files hold as the text of a Python list."""
    if isinstance(value, str):
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            return [part.strip() for part in str(value).split(",") if part.strip()]
    return [str(item) for item in value] if isinstance(value, list | tuple) else []


def _trait(field: str, value: object, where: str) -> str:
    if field.endswith("_list"):
        listed = ", ".join(_items(value))
        return f"{field.removesuffix('_list').replace('_', ' ').capitalize()}: {listed}."
    return _text(value, field, where).strip()


def _folder_rows(folder: Path) -> Iterator[tuple[str, object]]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix in _SUFFIXES and path.is_file())
    if not paths:
        raise LookupError(f"no personas in {str(folder)!r}: it holds no file ending in {', '.join(_SUFFIXES)}")
    for path in paths:
        yield from _file_rows(path)


def _file_rows(path: Path) -> Iterator[tuple[str, object]]:
    readers = {".jsonl": _jsonl_rows, ".json": _json_rows, ".parquet": _parquet_rows, ".csv": _csv_rows}
    reader = readers.get(path.suffix)
    if reader is None:
        raise LookupError(f"{path}: personas come from files ending in {', '.join(_SUFFIXES)}")
    return reader(path)


def _jsonl_rows(path: Path) -> Iterator[tuple[str, object]]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                where = f"{path}, line {number}"
                try:
                    row = json.loads(line)
                except ValueError as error:
                    raise PersonaError(f"{where}: expected JSON: {error}") from error
                yield where, row


def _json_rows(path: Path) -> Iterator[tuple[str, object]]:
    try:
        rows = json.loads(path.read_bytes())
    except ValueError as error:
        raise PersonaError(f"{path}: expected JSON: {error}") from error
    if not isinstance(rows, list):
        raise PersonaError(f"{path}: expected a list of personas, found {type(rows).__name__}")
    return ((f"{path}, row {number}", row) for number, row in enumerate(rows, 1))


def _csv_rows(path: Path) -> Iterator[tuple[str, object]]:
    text = io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")
    for number, row in enumerate(csv.DictReader(text), 1):
        yield f"{path}, row {number}", {field: value for field, value in row.items() if field and value}


def _parquet_rows(path: Path) -> Iterator[tuple[str, object]]:
    import pyarrow
    import pyarrow.parquet

    try:
        batches = pyarrow.parquet.ParquetFile(path).iter_batches()
    except pyarrow.ArrowInvalid as error:
        raise PersonaError(f"{path}: expected a parquet file: {error}") from error
    number = 0
    for batch in batches:
        for row in batch.to_pylist():
            number += 1
            yield f"{path}, row {number}", row


def _hub_rows(name: str, offset: int, count: int | None) -> Iterator[tuple[str, object]]:
    try:
        import datasets
    except ModuleNotFoundError as error:
        raise LookupError(f"personas of {name!r} need the package datasets: pip install 'usergym[data]'") from error
    try:
        rows: Iterable[object] = datasets.load_dataset(
            name, split=f"train[{offset}:{'' if count is None else offset + count}]"
        )
    except (OSError, ValueError) as error:
        raise LookupError(
            f"cannot load personas {name!r} from the hub ({type(error).__name__}: {str(error)[:120]}). With a network, "
            f"`hf download {name} --repo-type dataset` gets them; or pass a parquet or JSONL file, or `generated`"
        ) from error
    for number, row in enumerate(rows, offset + 1):
        yield f"{name}, row {number}", row
