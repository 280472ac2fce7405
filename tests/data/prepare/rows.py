"""Rows as the public data sets have them, in words of our own, and files of them."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from usergym.rows import Writer, read_rows


def post(text: str | None, article: str | None = None) -> dict[str, Any]:
    """A row of summaries that were compared."""
    info = {"id": "p1", "post": text, "title": "a title", "subreddit": "r", "site": None, "article": article}
    return {"info": info, "summaries": [{"text": "short"}, {"text": "shorter"}], "choice": 0}


def asked(prompt: str, response: str = "Certainly.") -> dict[str, Any]:
    """A row of a rated response."""
    return {"prompt": prompt, "response": response, "helpfulness": 3, "verbosity": 1}


def logged(*texts: str, roles: str = "") -> list[dict[str, Any]]:
    """from/value messages, in turns unless `roles` says h and g for each."""
    roles = roles or ("hg" * len(texts))[: len(texts)]
    names = {"h": "human", "g": "gpt", "s": "system"}
    return [{"from": names[role], "value": text} for role, text in zip(roles, texts, strict=True)]


def chatted(*texts: str, roles: str = "") -> list[dict[str, Any]]:
    """role/content messages, likewise."""
    names = {"human": "user", "gpt": "assistant", "system": "system"}
    messages = logged(*texts, roles=roles)
    return [{"role": names[each["from"]], "content": each["value"], "toxic": False} for each in messages]


def wild(identity: str | None, messages: Sequence[Any], language: str | None = "English") -> dict[str, Any]:
    """A row of a chat in the wild."""
    about = {"model": "some-model", "timestamp": "2023-04-09 00:02:53+00:00"}
    return {"conversation_id": identity, "conversation": list(messages), "language": language, **about}


def write(path: Path, rows: Iterable[Any]) -> Path:
    """In the format that the ending names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        with Writer(path) as writer:
            for row in rows:
                writer.write(row)
    return path


def read(path: Path) -> list[dict[str, Any]]:
    return [row for _, row in read_rows(path)]


def prompts(folder: Path, split: str = "train") -> list[str]:
    return [row["prompt"] for row in read(folder / f"{split}.jsonl")]
