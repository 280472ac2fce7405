"""Which model is trained or evaluated, and with what chat template."""

import shutil
from pathlib import Path

import machine
import seats
from job import Findings
from settings import Variables, several

from usergym.training import memory
from usergym.training.checkpoints import read_template
from usergym.training.shape import Shape
from usergym.training.users_config import UsersConfig

TYPES = ("qwen", "userlm")
HUB = {"qwen": "Qwen/Qwen3-8B", "userlm": "microsoft/UserLM-8b"}
FETCHED = Path("~/llm_twin/models")
"""Where the documented download puts models."""
SHAPES = {
    **machine.DOCUMENTED,
    HUB["userlm"]: Shape(8_030_261_248, 2_621_440, 32, 4096, 14_336, 128_256, 8192, True),
}
"""From published configurations: an estimate needs no download."""
AS_USER = Path(__file__).with_name("userlm.jinja")
TEMPLATE = "chat_template.jinja"
HEADER = "<|start_header_id|>"
"""A token of every model that AS_USER is for."""


def base_of(v: Variables, kind: str | None = None) -> str:
    """BASE_MODEL, or the one of BASE_MODEL_TYPE (in place of which `kind` may be)."""
    named = v.choice("BASE_MODEL_TYPE", TYPES)
    hub = HUB[kind if kind in TYPES else named]
    fetched = (FETCHED / hub.partition("/")[2]).expanduser()
    return v.text("BASE_MODEL", str(fetched) if (fetched / "config.json").is_file() else hub)


def template_of(found: Findings, model: str, thinks: bool, user: bool = False) -> str | None:
    """The text of a chat template in place of the model's, None for its own. `thinks`: whether every reply begins with
    thought, which is a switch in some. `user`: for a model that speaks as the user."""
    with found.looking():
        tokenizer = seats.tokenizer(model, not found.dry)
        if tokenizer is None:
            found.good.append(f"{model} is not on this machine yet")
        if user and (tokenizer is None or HEADER in tokenizer.get_vocab()):
            return read_template(AS_USER)
        if tokenizer is None:
            return seats.UNTHINKING if model in machine.DOCUMENTED and not thinks else None
        own = tokenizer.chat_template
        if not own:
            raise ValueError(f"model {model!r} has no chat template; give one behind --: -- --chat-template FILE")
        off = isinstance(own, str) and own.startswith(seats.UNTHINKING)
        if thinks:
            return str(own).removeprefix(seats.UNTHINKING) if off else None
        return None if off else seats.unthinking(tokenizer)
    return None


def with_template(model: str, template: str, folder: Path) -> None:
    """A folder that leads to all files of a model, with another chat template."""
    there = seats.found(model)
    if there is None:
        from huggingface_hub import snapshot_download

        path = Path(snapshot_download(model))
    elif there.kind in ("folder", "adapter"):
        path = there.path
    else:
        raise ValueError(f"model {model!r} is one file, whose chat template cannot be replaced; give a folder")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in path.resolve().iterdir():
        (folder / file.name).symlink_to(file)
    (folder / TEMPLATE).unlink(missing_ok=True)
    seats.write_template(folder / TEMPLATE, template)


def shape_of(model: str) -> Shape | None:
    there = seats.found(model)
    return (there.shape if there else None) or SHAPES.get(model)


def of_training(config: UsersConfig, shape: Shape | None, world: int, there: int, cut: bool) -> list[str]:
    """Lines on memory and disk. `cut`: weights are spread over the processes."""
    if shape is None:
        return [f"memory for the trainer: not known before {config.model} is on this machine"]
    tokens = config.per_pass(world) * config.context(shape.context)
    half = bool(there) if config.bf16 is None else config.bf16
    rank = config.lora_r if config.lora else 0
    shards = world if cut else 1
    load = memory.Load(tokens, rank, half, config.gradient_checkpointing, shards, config.copies)
    kept = 12 * (shape.per_rank * config.lora_r if config.lora else shape.parameters)
    return [
        told("the trainer", memory.needed(shape, load), world, there),
        f"disk: up to {several(config.keep + 1, 'checkpoint')} of about {kept / 2**30:,.1f} GiB in {config.out}",
    ]


def told(who: str, each: int, world: int, there: int) -> str:
    """`each`: bytes of one process."""
    everywhere = f" for each of {world} processes" if world > 1 else ""
    line = f"memory for {who}: about {each / 2**30:,.1f} GiB{everywhere} (a rough estimate)"
    free = memory.available()
    if free is None:
        return line
    short = "; TOO LITTLE" if each * (1 if there else world) > free else ""
    return f"{line}; {free / 2**30:,.1f} GiB are free{short}"
