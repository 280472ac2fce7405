"""Checkpoints by name: what is wrong with one is said before any compute, and what is right becomes a model.

A name is a folder of transformers files (also of an adapter alone, or of one of our training runs), a `.gguf` file,
`local/smollm2`, or a hub id.
"""

import importlib.util
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from usergym.models import gguf
from usergym.training import shape
from usergym.training.shape import Shape, read_json

Dtype = Literal["auto", "float32", "bfloat16"]

# Read by the libraries when they are imported: bars of their own beside ours, and reports of use to the hub.
os.environ.setdefault("TQDM_DISABLE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
LOCAL = (".", "/", "~", "runs/")
"""How names begin that are no hub ids."""
TEMPLATES = ("chat_template.jinja", "chat_template.json")


@dataclass(frozen=True)
class Checkpoint:
    """Where a name leads."""

    name: str
    kind: Literal["folder", "adapter", "gguf", "hub"]
    path: Path
    """Of a hub id: the id itself."""
    shape: Shape | None = None
    """None where nothing of it is on this machine yet."""
    template: bool = True
    """Whether it brings a chat template; assumed of what is not on this machine yet."""


def check(name: str, template: Path | None = None) -> Checkpoint:
    """What a name leads to, without loading it. LookupError where there is nothing, ValueError where what is there
    cannot be used: a model without a chat template (`template` gives one), a folder without weights."""
    found = find(name)
    if template is not None:
        read_template(template)
    elif not found.template:
        raise ValueError(f"model {name!r} has no chat template; give one with --chat-template FILE")
    return found


def find(name: str) -> Checkpoint:
    """As `check`, of a model whose chat template does not matter."""
    path = Path(name).expanduser()
    if path.is_dir():
        return _in_folder(name, path)
    if name.startswith("local/") or name.endswith(".gguf"):
        file = gguf.find(name)
        if importlib.util.find_spec("gguf") is None:
            raise LookupError(f"model {name!r} is a GGUF file; to read it: pip install 'usergym[train]'")
        known = shape.of_gguf(file)
        return Checkpoint(name, "gguf", file, known, known.template)
    if name.startswith(LOCAL):
        raise LookupError(f"no model {name!r}: there is no such folder; check the path, or let the run finish first")
    if name.count("/") == 1:
        cached = _cached(name)
        return _in_folder(name, cached) if cached else Checkpoint(name, "hub", path)
    raise LookupError(
        f"no model {name!r}: give a folder of transformers files, a .gguf file, local/smollm2, or a hub id ORG/NAME"
    )


def _cached(name: str) -> Path | None:
    """The folder of a hub id in the local cache, if its weights are there."""
    try:
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.errors import HFValidationError
    except ImportError:
        return None
    try:
        config = try_to_load_from_cache(name, "config.json")
    except HFValidationError:
        return None
    folder = Path(config).parent if isinstance(config, str) else None
    return folder if folder and _has(folder, *WEIGHTS) else None


def _in_folder(name: str, folder: Path) -> Checkpoint:
    if not (folder / "config.json").exists() or _is_run(folder):
        if (folder / "adapter_config.json").exists():
            return _adapter(name, folder)
        if (folder / "model" / "config.json").exists():
            return _in_folder(name, folder / "model")
        if _is_run(folder):
            raise LookupError(f"model {name!r}: {folder} is a run that holds no trained model; let it finish first")
        raise LookupError(f"model {name!r}: {folder} has no config.json; give the folder that save_pretrained wrote")
    if not read_json(folder / "config.json").get("model_type"):
        raise ValueError(f"model {name!r}: {folder / 'config.json'} names no model_type; it is no model's config")
    if not _has(folder, *WEIGHTS):
        raise LookupError(f"model {name!r}: no weights in {folder} (neither {' nor '.join(WEIGHTS)})")
    if not _has(folder, "tokenizer*"):
        raise LookupError(f"model {name!r}: no tokenizer in {folder}; save it there too (tokenizer.save_pretrained)")
    template = _has_template(folder)
    return Checkpoint(name, "folder", folder, shape.of_folder(folder, template), template)


def _is_run(folder: Path) -> bool:
    """A run of ours has a config.json too, which is no model's."""
    return (folder / "config.json").exists() and "identity" in read_json(folder / "config.json")


def _adapter(name: str, folder: Path) -> Checkpoint:
    base = read_json(folder / "adapter_config.json").get("base_model_name_or_path")
    if not base:
        raise ValueError(f"model {name!r}: {folder / 'adapter_config.json'} names no base model")
    under = find(str(base))
    template = _has_template(folder) if _has(folder, "tokenizer*") else under.template
    return Checkpoint(name, "adapter", folder, under.shape, template)


def _has(folder: Path, *patterns: str) -> bool:
    return any(True for pattern in patterns for _ in folder.glob(pattern))


def _has_template(folder: Path) -> bool:
    config = folder / "tokenizer_config.json"
    return _has(folder, *TEMPLATES) or (config.exists() and bool(read_json(config).get("chat_template")))


def read_template(path: Path) -> str:
    """The text of a chat template's file. ValueError for one that is no text, or no Jinja template."""
    from jinja2 import Environment, TemplateError

    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"--chat-template {path} is not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8 text"
        ) from None
    try:
        Environment(extensions=["jinja2.ext.loopcontrols"]).parse(text.replace("generation %}", "raw %}"))
    except (TemplateError, RecursionError) as error:
        raise ValueError(f"{path} is no chat template: {error}") from None
    return text


def tokenizer(found: Checkpoint, template: Path | None = None) -> Any:
    """A checkpoint's tokenizer, without its weights. LookupError as `load`."""
    from transformers import AutoTokenizer

    with quiet(), _told(found):
        if found.kind == "gguf":
            made = AutoTokenizer.from_pretrained(str(found.path.parent), gguf_file=found.path.name)
            # transformers 5.10 takes the token that begins a text for the one that ends it.
            for role, number in shape.special_ids(found.path).items():
                setattr(made, {"unknown": "unk", "padding": "pad"}.get(role, role) + "_token", _named(made, number))
        elif found.kind == "adapter" and not _has(found.path, "tokenizer*"):
            return tokenizer(find(_base(found)), template)
        else:
            made = AutoTokenizer.from_pretrained(str(found.path))
    if template is not None:
        made.chat_template = read_template(template)
    if made.pad_token is None:
        made.pad_token = made.eos_token
    return made


def _named(tokenizer: Any, number: int) -> str:
    return str(tokenizer.convert_ids_to_tokens(number))


@contextmanager
def _told(found: Checkpoint) -> Iterator[None]:
    """What the libraries raise for files they cannot read, as one line."""
    try:
        yield
    except (OSError, ValueError, LookupError, AttributeError, TypeError, RuntimeError, ImportError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        remedy = "check the name and the network" if found.kind == "hub" else "check its files"
        raise LookupError(f"model {found.name!r} cannot be loaded: {reason[:300]}; {remedy}") from error


def load(
    name: str,
    *,
    dtype: Dtype = "auto",
    trainable: bool = True,
    merge: bool = False,
    template: Path | None = None,
) -> tuple[Any, Any]:
    """A causal language model, on the CPU, and its tokenizer.

    `dtype`: auto is float32, in which small updates are not lost; on a GPU the trainer computes in bfloat16 over it.
    `trainable` False: no gradients, evaluation mode, an adapter merged. `merge`: an adapter is merged into its base
    also for training; otherwise a PeftModel is returned, whose adapter alone is trained.
    LookupError and ValueError as `check`, and where transformers cannot load what is there.
    """
    found = find(name)
    with quiet(), _told(found):
        model = _weights(found, "float32" if dtype == "auto" else dtype, trainable, merge)
    if not trainable:
        model.requires_grad_(False)
        model.eval()
    return model, tokenizer(found, template)


def _weights(found: Checkpoint, dtype: str, trainable: bool, merge: bool) -> Any:
    from transformers import AutoModelForCausalLM

    if found.kind == "adapter":
        return _with_adapter(found, dtype, trainable and not merge)
    where, options = str(found.path), {}
    if found.kind == "gguf":
        where, options = str(found.path.parent), _dequantised(found.path.name)
    model = AutoModelForCausalLM.from_pretrained(where, dtype=dtype, **options)
    # What an adapter that is trained on it will name as its base: a GGUF file's folder says too little.
    model.name_or_path = model.config._name_or_path = (
        found.name if found.kind != "folder" else str(found.path.resolve())
    )
    return model


def _dequantised(file: str) -> dict[str, Any]:
    import transformers

    options: dict[str, Any] = {"gguf_file": file}
    if quantised := getattr(transformers, "GgufConfig", None):
        # With this class, a file that is merely read stays quantised, and could not be saved.
        options["quantization_config"] = quantised(gguf_file=file, dequantize=True)
    return options


def _with_adapter(found: Checkpoint, dtype: str, trainable: bool) -> Any:
    from peft import PeftModel

    base = _weights(find(_base(found)), dtype, trainable, merge=True)
    model = PeftModel.from_pretrained(base, str(found.path), is_trainable=trainable)
    return model if trainable else model.merge_and_unload()


def _base(found: Checkpoint) -> str:
    return str(read_json(found.path / "adapter_config.json")["base_model_name_or_path"])


def save(model: Any, tokenizer: Any, folder: str | Path) -> Path:
    """Writes what other programs load: safetensors, config, tokenizer and chat template. Of a model with an adapter:
    the merged weights, the adapter being gone from `model` then."""
    from peft import PeftModel

    folder = Path(folder)
    if isinstance(model, PeftModel):
        model = model.merge_and_unload()
    with quiet():
        model.save_pretrained(str(folder))
        tokenizer.save_pretrained(str(folder))
    return folder


@contextmanager
def quiet() -> Iterator[None]:
    """Without the progress bars and advice of the libraries; their errors stay."""
    from transformers.utils import logging as noise

    before, bars = noise.get_verbosity(), noise.is_progress_bar_enabled()
    noise.set_verbosity_error()
    noise.disable_progress_bar()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            noise.set_verbosity(before)
            if bars:
                noise.enable_progress_bar()
