"""What the documents say works: their commands run, their code runs, their flags and links exist."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.terminal import environment, mock_server
from tests.environments import test_conformance
from usergym.cli import VERBS
from usergym.data.domain import read_domain

ROOT = Path(__file__).parents[1]
RUN = (
    "calendar",
    "credit",
    "domains",
    "environments",
    "eval",
    "intention",
    "models",
    "persuasion",
    "prepare",
    "search",
    "style",
    "styles",
    "turtle",
    "travel",
    "workplace",
)
"""Documents whose commands are run, each in a folder of its own that holds the examples."""
SUB_VERBS = (
    *("serve user", "serve mcp", "eval compare", "envs new", "envs check", "envs merge"),
    *("credit explain", "train sft", "train cold-start", "train grpo", "train sdpo", "eval style", "eval users"),
    *("train users", "train both", "study serve", "study export", "study plan", "prepare users"),
    *("prepare tldr", "prepare helpsteer", "prepare wildfeedback", "prepare wildchat", "prepare log"),
)
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
MOCK = "http://127.0.0.1:8000/v1"
ELSEWHERE = re.compile(r"^(pip|git|make) |model (openai|anthropic|nims?|vllm|local)/(?!.*--plan)|^usergym mock-llm")
"""Commands that need a network, a key, a model file or a second terminal; their flags are looked at all the same."""


def fences(path: Path, language: str) -> list[str]:
    found = re.findall(rf"^ *```{language}\n(.*?)^ *```", path.read_text(), re.DOTALL | re.MULTILINE)
    return [block.replace("\n  ", "\n").strip() if block.startswith("  ") else block.strip() for block in found]


def commands(path: Path) -> list[str]:
    lines = "\n".join(fences(path, "(?:bash|text)")).replace("\\\n", " ").splitlines()
    return [line.split(" #")[0].strip() for line in lines if line.strip() and not line.startswith("#")]


@pytest.fixture(scope="module")
def mock() -> Iterator[str]:
    with mock_server() as url:
        yield url


def in_shell(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment(PATH=path),
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("name", RUN)
def test_the_commands_and_the_code_of_a_document_run_in_order(name: str, tmp_path: Path, mock: str) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    document = ROOT / "docs" / f"{name}.md"
    wanted = [line for block in fences(document, "bash") for line in block.splitlines() if not ELSEWHERE.search(line)]
    assert wanted
    for command in wanted:
        done = in_shell(tmp_path, command.replace(MOCK, mock))
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr
    for number, code in enumerate(fences(document, "python")):
        program = tmp_path / f"block_{number}.py"
        program.write_text(code)
        done = in_shell(tmp_path, f"PYTHONPATH=. python {program.name}")
        assert done.returncode == 0, f"{document.name}, python block {number}:\n{code}\n{done.stderr}"


@pytest.fixture(scope="module")
def help_texts() -> dict[str, str]:
    asked = {
        verb: subprocess.Popen(
            [sys.executable, "-m", "usergym", *verb.split(), "--help"],
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        for verb in (*VERBS, *SUB_VERBS)
    }
    return {verb: process.communicate()[0] for verb, process in asked.items()}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_verb_and_flag_of_a_document_exists(path: Path, help_texts: dict[str, str]) -> None:
    for command in commands(path):
        words = shlex.split(command)
        if "usergym" not in words or words[0] in ("pip", "git", "make", "cd"):
            continue
        verb, *arguments = words[words.index("usergym") + 1 :]
        if arguments and f"{verb} {arguments[0]}" in help_texts:
            verb = f"{verb} {arguments.pop(0)}"
        assert verb in help_texts, command
        for word in arguments:
            if word.startswith("--"):
                assert re.search(rf"{word}\b", help_texts[verb]), f"{path.name}: {command}: no flag {word}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_of_a_document_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
        assert target.startswith("https://") or (path.parent / target).exists(), f"{path.name} links to {target}"


def test_the_domain_tutorial_shows_the_example_as_it_is() -> None:
    example = (ROOT / "examples/pharmacy.toml").read_text()
    shown = fences(ROOT / "docs/domains.md", "toml")
    parts = [part for block in shown if not block.startswith("prompt") for part in block.split("\n\n")]
    assert len(parts) >= 4
    for part in parts:
        assert part in example


def test_the_prompt_of_the_domain_tutorial_is_taken(tmp_path: Path) -> None:
    (prompt,) = (block for block in fences(ROOT / "docs/domains.md", "toml") if block.startswith("prompt"))
    path = tmp_path / "own.toml"
    path.write_text(f"{prompt}\n{(ROOT / 'examples/pharmacy.toml').read_text()}")
    text = read_domain(path).prompt
    assert text
    filled = text.format(persona="Ada", partial_conversation_history="", agenda="Say hello.")
    assert '{"USER_MESSAGE": "what you say"}' in filled


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ({"steps": []}, "steps"),
        ({"steps": [{"type": "fly"}]}, "steps[0].type is 'fly'"),
        ({"agenda": {"a": "Ask for {colour}."}}, "{colour}"),
    ],
)
def test_a_domain_file_that_cannot_work_is_refused_with_the_place(tmp_path: Path, wrong: dict, place: str) -> None:
    path = tmp_path / "own.json"
    path.write_text(json.dumps({"name": "own", "agenda": {"a": "Hello."}, "steps": [{"type": "a"}], **wrong}))
    with pytest.raises(ValueError, match=re.escape(place)):
        read_domain(path)


@pytest.mark.parametrize("name", ["guess_number", "pharmacy_desk"])
@pytest.mark.parametrize("demand", [name for name in vars(test_conformance) if name.startswith("test_")])
def test_an_example_environment_conforms(name: str, demand: str) -> None:
    getattr(test_conformance, demand)(f"examples.{name}")


@pytest.mark.parametrize("model", [[], ["{mock}/mock"]])
def test_the_smallest_program_writes_conversations(tmp_path: Path, mock: str, model: list[str]) -> None:
    arguments = [word.format(mock=mock) for word in model]
    done = subprocess.run(
        [sys.executable, ROOT / "examples/minimal_user_modeling.py", *arguments],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "synthetic_conversations.json").read_text())
    if not model:
        assert [message["role"] for message in rows[0]["conversation"]] == ["user", "assistant"] * 2


def test_the_pharmacy_says_what_each_step_must_say(tmp_path: Path) -> None:
    done = in_shell(tmp_path, f"usergym generate {ROOT}/examples/pharmacy.toml --n-samples 40 --output p.jsonl")
    assert done.returncode == 0, done.stderr
    domain = tomllib.loads((ROOT / "examples/pharmacy.toml").read_text())
    rows = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert len(rows) == 40
    assert {tuple(row["user_intents"]) for row in rows} == {
        ("refill", "pick_up"),
        ("refill", "change", "pick_up"),
    }
    medicines = domain["steps"][0]["params"]["medicine"]
    for row in rows:
        said = [message["content"] for message in row["conversation"] if message["role"] == "user"]
        assert sum(medicine in said[0] for medicine in medicines) == 1
        assert len(said) == len(row["user_intents"])


def test_prices_of_ones_own_are_read_as_shown(tmp_path: Path) -> None:
    line = next(line for line in commands(ROOT / "docs/models.md") if line.startswith("echo"))
    in_shell(tmp_path, line)
    from usergym.models.prices import find, load

    price = find(load(tmp_path / "prices.json"), "vllm/Qwen/Qwen3-8B")
    assert price is not None
    assert (price.input, price.output, price.cached) == (0.05, 0.1, 0.01)
