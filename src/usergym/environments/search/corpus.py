"""A collection of one's own: articles from a folder or a file, and questions about them."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from usergym.environments.search.articles import Article
from usergym.environments.search.index import Index

SUFFIXES = (".txt", ".md", ".jsonl")


@lru_cache(4)
def index(path: str) -> Index:
    """ValueError names the file and line that cannot be read."""
    return Index(articles(path))


def articles(path: str) -> list[Article]:
    """The articles of a JSONL file with `title` and `text`, or of a folder of such files, *.txt and *.md."""
    place = Path(path)
    if place.is_dir():
        files = sorted(file for file in place.rglob("*") if file.suffix in SUFFIXES and file.is_file())
    else:
        files = [place]
    found = [article for file in files for article in _articles(file)]
    if not found:
        raise ValueError(f"corpus={path} holds no articles; expected {', '.join(SUFFIXES)} with text")
    return found


def _articles(file: Path) -> Iterator[Article]:
    if file.suffix == ".jsonl":
        for where, row in rows(file):
            title, text = row.get("title"), row.get("text")
            if not isinstance(title, str) or not isinstance(text, str) or not text.strip():
                raise ValueError(f'{where}: an article is {{"title": ..., "text": ...}}, both texts')
            yield Article(title, text)
        return
    text = _read(file)
    first, _, rest = text.partition("\n")
    if file.suffix == ".md" and first.startswith("# ") and rest.strip():
        yield Article(first[2:].strip(), rest)
    elif text.strip():
        yield Article(file.stem.replace("_", " "), text)


def rows(file: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The objects of a JSONL file, each with its place."""
    for number, line in enumerate(_read(file).splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = msgspec.json.decode(line)
        except msgspec.DecodeError as error:
            raise ValueError(f"{file}:{number}: not JSON ({error})") from None
        if not isinstance(row, dict):
            raise ValueError(f"{file}:{number}: expected an object, found {line[:60]}")
        yield f"{file}:{number}", row


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} is not UTF-8 text ({error})") from None
