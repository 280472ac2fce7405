"""Rows of data files as tasks: our own form, a question with its answer, and the peer's rows."""

from collections.abc import Mapping
from typing import Any

import msgspec

from usergym.environments.base import RowError, read_task
from usergym.environments.search.entities import Spec
from usergym.types import Message, Task, Turn

NAME = "search"
GYM = "SearchGym"


def read(row: Mapping[str, Any]) -> Task:
    """RowError names the field that is wrong."""
    if not isinstance(row, Mapping):
        raise RowError("row", "an object", row)
    if "reward_model" in row:
        return _of_parquet(row)
    if "question" in row and "data" not in row:
        return of_question(row)
    task = read_task(row)
    if task.env != NAME:
        raise RowError("env", NAME, task.env)
    _text(task.data, "question", "data.")
    _answers(task.data.get("answers", ...), "data.answers")
    world(task)
    return task


def of_question(row: Mapping[str, Any]) -> Task:
    """`{id, question, answer}`; the answer may be a list of all that are accepted."""
    question = _text(row, "question")
    answers = _answers(row.get("answer", row.get("answers", ...)), "answer")
    key = row.get("id", ...)
    if isinstance(key, bool) or not isinstance(key, str | int) or key == "":
        raise RowError("id", "a text or a number", key)
    return _task(str(key), question, question, answers, None)


def _of_parquet(row: Mapping[str, Any]) -> Task:
    about = row["reward_model"]
    if not isinstance(about, Mapping) or about.get("env_name") != GYM:
        raise RowError(
            "reward_model.env_name", GYM, about.get("env_name", ...) if isinstance(about, Mapping) else about
        )
    key = _text(about, "id", "reward_model.")
    answers = _answers(about.get("ground_truth", ...), "reward_model.ground_truth")
    said = [message.get("content") for message in row.get("prompt") or () if message.get("role") == "user"]
    if len(said) != 1 or not isinstance(said[0], str) or not said[0].strip():
        raise RowError("prompt", "one message of the user", row.get("prompt"))
    info = row.get("extra_info")
    split = info.get("split") if isinstance(info, Mapping) else None
    split = split if split in ("train", "validation", "test") else None
    return _task(key, said[0].strip().splitlines()[0], said[0].strip(), answers, split)


def _task(key: str, question: str, words: str, answers: list[str], split: str | None) -> Task:
    opening = (Turn("user", Message("assistant", words)),)
    data = {"question": question, "answers": answers}
    return Task(f"{NAME}-{key}", NAME, opening=opening, data=data, split=split)


def world(task: Task) -> Spec | None:
    """The generated world that a task plays in. RowError for one that cannot be."""
    value = task.data.get("world")
    if value is None:
        return None
    try:
        return msgspec.convert(value, Spec)
    except (msgspec.ValidationError, ValueError) as error:
        raise RowError("data.world", f"seed, number and size of a world ({error})", value) from None


def _text(row: Mapping[str, Any], field: str, where: str = "") -> str:
    value = row.get(field, ...)
    if not isinstance(value, str) or not value.strip():
        raise RowError(where + field, "a text", value)
    return value.strip()


def _answers(value: Any, field: str) -> list[str]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not listed or not all(isinstance(each, str) and each.strip() for each in listed):
        raise RowError(field, "a text, or a list of texts that are accepted", value)
    return [each.strip() for each in listed]
