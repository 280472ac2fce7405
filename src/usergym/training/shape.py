"""How large a checkpoint is, read from the heads of its files: no weight is loaded, and no library."""

import json
import math
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

_SIZES = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""GGUF's number of a scalar type to that of `struct`."""
_TEXT, _ARRAY = 8, 9


@dataclass(frozen=True)
class Shape:
    parameters: int
    per_rank: int
    """Parameters of a LoRA of rank 1 on every matrix of the layers."""
    layers: int
    hidden: int
    inner: int
    """Width of the feed-forward."""
    vocabulary: int
    context: int | None
    """Tokens of one conversation, as the model was made for."""
    template: bool
    """Whether a chat template comes with it."""


def of_gguf(path: Path) -> Shape:
    """ValueError for a file whose head cannot be read."""
    values, tensors = _gguf_head(path)
    kind = values.get("general.architecture", b"").decode()

    def number(name: str) -> int:
        return int(values.get(f"{kind}.{name}", 0))

    return Shape(
        sum(math.prod(dimensions) for _, dimensions in tensors),
        _per_rank(tensors),
        number("block_count"),
        number("embedding_length"),
        number("feed_forward_length"),
        number("vocab_size") or int(values.get("tokenizer.ggml.tokens", 0)),
        number("context_length") or None,
        "tokenizer.chat_template" in values,
    )


def special_ids(path: Path) -> dict[str, int]:
    """Ids that a GGUF file names: of `bos`, `eos`, `unknown`, `padding`."""
    values, _ = _gguf_head(path)
    start, end = "tokenizer.ggml.", "_token_id"
    return {
        key[len(start) : -len(end)]: id for key, id in values.items() if key.startswith(start) and key.endswith(end)
    }


def _gguf_head(path: Path) -> tuple[dict[str, Any], list[tuple[str, tuple[int, ...]]]]:
    """Metadata, of a list only its length; name and dimensions of every tensor."""
    with path.open("rb") as file:
        try:
            return _head(file)
        except (struct.error, UnicodeDecodeError, KeyError, AttributeError, OverflowError, MemoryError) as error:
            raise ValueError(f"{path}: its head cannot be read ({error!r}); download the file again") from None


def _head(file: IO[bytes]) -> tuple[dict[str, Any], list[tuple[str, tuple[int, ...]]]]:
    _, _, tensors, count = struct.unpack("<4sIQQ", file.read(24))
    values: dict[str, Any] = {}
    for _ in range(count):
        key = _text(file)
        values[key] = _value(file, _scalar(file, "I"))
    return values, [_tensor(file) for _ in range(tensors)]


def _scalar(file: IO[bytes], kind: str) -> Any:
    return struct.unpack("<" + kind, file.read(struct.calcsize("<" + kind)))[0]


def _text(file: IO[bytes]) -> str:
    return file.read(_scalar(file, "Q")).decode()


def _value(file: IO[bytes], kind: int) -> Any:
    if kind == _TEXT:
        return file.read(_scalar(file, "Q"))
    if kind != _ARRAY:
        return _scalar(file, _SIZES[kind])
    inside, count = struct.unpack("<IQ", file.read(12))
    if inside in _SIZES:
        file.seek(count * struct.calcsize("<" + _SIZES[inside]), 1)
    else:
        for _ in range(count):
            _value(file, inside)
    return count


def _tensor(file: IO[bytes]) -> tuple[str, tuple[int, ...]]:
    name = _text(file)
    dimensions = tuple(_scalar(file, "Q") for _ in range(_scalar(file, "I")))
    file.seek(12, 1)  # type and offset
    return name, dimensions


def of_folder(folder: Path, template: bool) -> Shape:
    """Of transformers files. ValueError for a config.json or weights that cannot be read."""
    config = read_json(folder / "config.json")
    inside = config.get("text_config")
    config = {**config, **inside} if isinstance(inside, Mapping) else config
    hidden, layers, vocabulary = (
        _number(config, *names)
        for names in (("hidden_size", "n_embd"), ("num_hidden_layers", "n_layer"), ("vocab_size",))
    )
    inner = _number(config, "intermediate_size", "n_inner") or 4 * hidden
    tensors = [each for path in sorted(folder.glob("*.safetensors")) for each in _tensors(path)]
    if tensors:
        parameters, per_rank = sum(math.prod(shape) for _, shape in tensors), _per_rank(tensors)
    else:
        tied = config.get("tie_word_embeddings", False)
        matrices = layers * (4 * hidden * hidden + 3 * hidden * inner)
        parameters = matrices + vocabulary * hidden * (1 if tied else 2)
        per_rank = layers * (8 * hidden + 3 * (hidden + inner))
    context = _number(config, "max_position_embeddings", "n_positions") or None
    return Shape(parameters, per_rank, layers, hidden, inner, vocabulary, context, template)


def read_json(path: Path) -> dict[str, Any]:
    """ValueError that names the file."""
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read ({error}); save the checkpoint again") from None
    if not isinstance(value, dict):
        raise ValueError(f"{path} holds no JSON object; save the checkpoint again")
    return value


def _tensors(path: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > path.stat().st_size:
                raise ValueError(f"a head of {length:,} bytes in a file of {path.stat().st_size:,}")
            head = json.loads(file.read(length))
        for name, about in head.items():
            if name != "__metadata__":
                yield name, tuple(about["shape"])
    except (ValueError, struct.error, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no safetensors file ({error}); save the checkpoint again") from None


def _per_rank(tensors: Iterable[tuple[str, tuple[int, ...]]]) -> int:
    return sum(
        sum(shape) for name, shape in tensors if len(shape) == 2 and any(part.isdigit() for part in name.split("."))
    )


def _number(config: Mapping[str, Any], *names: str) -> int:
    return next((config[name] for name in names if isinstance(config.get(name), int)), 0)
