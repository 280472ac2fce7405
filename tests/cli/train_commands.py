"""The `usergym train` commands in this process, which has torch already."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminal import ROOT
from usergym.cli import main

Run = Callable[..., tuple[int, str]]


def train_command(way: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], folder: Path) -> Run:
    """`usergym train WAY` in a folder: its exit status, and all it printed."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(ROOT / "tests"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("usergym.training.progress.curves", lambda folder: None)

    def run(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["usergym", "train", way, *map(str, arguments)])
        capfd.readouterr()
        status: Any = 0
        try:
            main()
        except SystemExit as stop:
            status = stop.code or 0
        told = "".join(capfd.readouterr())
        assert "Traceback" not in told, told
        return status, told

    return run
