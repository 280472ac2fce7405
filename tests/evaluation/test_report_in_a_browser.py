"""The page as a real browser shows it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.evaluation.made import calendar, conversation, seat_tired
from usergym.evaluation.report import write_report
from usergym.rollouts.engine import seat_oracle

chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = pytest.mark.skipif(chromium is None, reason="needs chromium")

QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--dump-dom",
]


def opened(page: Path, asked: str = "") -> tuple[str, list[str]]:
    """The document after its script ran, and what the console said."""
    assert chromium
    profile = f"--user-data-dir={page.parent / 'profile'}"
    command = [chromium, *QUIET, profile, page.as_uri() + asked]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout, [line for line in done.stderr.splitlines() if ":CONSOLE" in line]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    evil = [conversation("odd", reward=0.0, said="<script>document.title = 'taken over'</script>")]
    runs = {"oracle": calendar(seat_oracle, 3), "tired": [*calendar(seat_tired(), 3), *evil]}
    write_report(path, runs, "seen by a browser")
    return path


def shown(document: str) -> int:
    return len(re.findall(r'<details class="conversation"(?![^>]* hidden)', document))


def test_the_page_has_its_rows_and_the_console_is_silent(page: Path) -> None:
    document, console = opened(page)
    assert console == []
    assert "<title>seen by a browser</title>" in document
    assert len(re.findall(r'<th class="left" scope="row">', document)) == 4  # two runs, one of them in two parts
    assert "7 of 7 conversations" in document
    assert shown(document) == 7
    assert '<form id="filter">' in document


@pytest.mark.parametrize(
    ("asked", "count"),
    [("#outcome=passed", 3), ("#run=1&outcome=failed", 4), ("#text=TAKEN+over", 1), ("#run=0&text=rather+not", 0)],
)
def test_the_address_says_which_conversations_to_show(page: Path, asked: str, count: int) -> None:
    document, console = opened(page, asked)
    assert console == []
    assert f"{count} of 7 conversations" in document
    assert shown(document) == count


def test_a_script_that_got_into_the_page_would_not_run_and_the_console_would_tell(page: Path) -> None:
    other = page.with_name("other.html")
    other.write_text(page.read_text().replace("<footer", "<script>document.title = 'taken over'</script><footer"))
    document, console = opened(other)
    assert "<title>seen by a browser</title>" in document
    assert len(console) == 1
    assert "Content Security Policy" in console[0]
