"""`usergym serve user`: a real process, asked over a real socket."""

import asyncio
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.cli.terminal import ROOT, command, environment, mock_server, usergym
from tests.serving.real_http import post
from tests.serving.test_users import CHAT, words_of
from usergym.training import tiny
from usergym.users.states import load
from usergym.users.states.speaking import Speech


@contextmanager
def served(*arguments: object) -> Iterator[str]:
    started = command("serve", "user", "--port", 0, "--json", *arguments)
    with subprocess.Popen(started, stdout=subprocess.PIPE, text=True, env=environment(SECRET="let-me-in")) as server:
        assert server.stdout
        try:
            yield json.loads(server.stdout.readline())["servers"][0]["url"]
        finally:
            server.terminate()
        server.wait(10)
        assert server.returncode in (0, -15, 143)


def request(url: str, body: Any, token: str = "") -> tuple[int, Any]:
    async def run() -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with aiohttp.ClientSession(url, headers=headers) as session:
            return await post(session, CHAT, body)

    return asyncio.run(run())


def test_the_command_serves_a_user_without_a_model() -> None:
    options = ("--persona", "generated:7", "--goal", "I need a flu shot", "--token-variable", "SECRET")
    with served(*options) as url:
        assert request(url, {"messages": []})[0] == 401
        status, body = request(url, {"messages": []}, "let-me-in")
        assert status == 200
        assert "flu shot" in words_of([body])[0]


def test_the_command_serves_the_user_of_a_task_and_a_user_that_a_model_plays(tmp_path: Path) -> None:
    with served("--env", "calendar", "--task", "2") as url:
        status, body = request(url, {"messages": []})
        assert (status, body["usergym"]["done"]) == (200, False)
    agenda = tmp_path / "agenda.json"
    agenda.write_text(json.dumps([{"kind": "ask", "params": {"agenda": "Ask for a flu shot."}}]))
    with mock_server() as mock:
        model = ("--model", f"{mock}/any", "--persona", "a retired nurse who hates jargon")
        with served(*model, "--goal", "a flu shot") as url:
            assert words_of([request(url, {"messages": []})[1]]) == ["Hello, this is about: flu shot"]
        with served(*model, "--agenda", agenda) as url:
            assert "flu shot" in words_of([request(url, {"messages": []})[1]])[0]


def test_the_command_serves_a_trained_user_who_stays_until_the_cap(tmp_path: Path) -> None:
    small = {"vocabulary": 300, "hidden": 16, "layers": 1, "heads": 2}
    tiny.make(tmp_path / "model", ["Hello, how can I help?", "A flu shot."], **small)
    Speech(load("r_no_tag"), states=False).save(tmp_path / "model")
    options = ("--persona", "a nurse", "--goal", "a flu shot", "--model", tmp_path / "model", "--replies", 1)
    with served(*options, "--max-tokens", 4) as url:
        status, body = request(url, {"messages": [{"role": "user", "content": "Hello, how can I help?"}]})
        assert status == 200 or "wrote no response that can be read" in json.dumps(body), body
        said = [{"role": "assistant", "content": "A flu shot."}, {"role": "user", "content": "Sure."}]
        status, body = request(url, {"messages": said})
        assert (status, body["usergym"]["done"]) == (200, True)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "give --persona"),
        (("--persona", "a nurse", "--env", "calendar"), "brings its own"),
        (("--persona", "generated:x"), "generated:SEED"),
        (("--env", "calendar", "--task", "nobody"), "no task 'nobody'"),
        (("--persona", "a nurse", "--agenda", "nowhere.json"), "nowhere.json"),
        (("--persona", "a nurse", "--host", "0.0.0.0"), "--token-variable"),
    ],
)
def test_the_command_says_in_one_line_what_is_wrong(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    done = usergym(tmp_path, "serve", "user", "--port", 0, *arguments, fails=True)
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_flags_and_the_agenda_of_the_document_are_real(tmp_path: Path) -> None:
    text = (ROOT / "docs/serving_users.md").read_text()
    helps = {verb: usergym(tmp_path, "serve", verb, "--help").stdout for verb in ("user", "mcp")}
    shown = [line.split() for line in text.splitlines() if line.startswith("usergym serve ")]
    assert len(shown) >= 5
    for words in shown:
        for flag in (word for word in words if word.startswith("--")):
            assert re.search(rf"{flag}\b", helps[words[2]]), flag
    agenda = tmp_path / "agenda.json"
    agenda.write_text(text.split("```json\n")[1].split("```")[0])
    with served("--persona", "a retired nurse", "--agenda", agenda) as url:
        assert "flu shot" in words_of([request(url, {"messages": []})[1]])[0]
