"""The direction of imports: a room may use only what stands left of it, and nothing runs in a circle."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "usergym"
SIBLINGS = {"data", "training", "serving"}
RANK = {
    room: rank
    for rank, rooms in enumerate(
        (
            {"types"},
            {"rows"},
            {"models"},
            {"users"},
            {"judges"},
            {"environments"},
            {"rollouts"},
            {"evaluation"},
            SIBLINGS,
            {"viewer"},
            {"cli"},
        )
    )
    for room in rooms
}
MODULES = sorted(SOURCE.rglob("*.py"))


def module_name(path: Path) -> str:
    parts = ("usergym", *path.relative_to(SOURCE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_a_module_imports_only_from_its_left(path: Path) -> None:
    own = "cli" if path.name == "__main__.py" else room(module_name(path))
    for target in imports(path):
        if not target.startswith("usergym.") or room(target) not in RANK:
            continue
        other = room(target)
        if own == other:
            continue
        assert own in RANK, f"{own} is not a room"
        assert RANK[other] < RANK[own], f"{module_name(path)} imports {target}, which stands to its right"


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_torch_and_trl_are_used_only_in_training(path: Path) -> None:
    heavy = {"torch", "trl", "transformers", "verl", "peft"}
    if room(module_name(path)) != "training":
        assert not heavy & {target.split(".")[0] for target in imports(path)}


def test_no_modules_import_each_other_in_a_circle() -> None:
    known = {module_name(path): path for path in MODULES}
    graph = {name: {target for target in imports(path) if target in known} - {name} for name, path in known.items()}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"import circle: {' -> '.join((*trail[trail.index(name) :], name))}"
        if name not in done:
            for target in graph[name]:
                if not name.startswith(target + "."):
                    visit(target, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_importing_the_package_imports_nothing_heavy() -> None:
    program = "import sys, usergym; print(sorted(m for m in sys.modules if m.split('.')[0] in sys.argv[1].split(',')))"
    heavy = "aiohttp,numpy,msgspec,rich,cyclopts,jinja2,starlette,torch"
    printed = subprocess.run([sys.executable, "-c", program, heavy], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"
