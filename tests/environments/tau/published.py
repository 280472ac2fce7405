"""The published files and the recorded cases, beside the repository; tests that need them skip without."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from usergym.environments.tau import Domain

SHARED = Path(__file__).parents[4] / "shared"
DATA = SHARED / "data" / "tau_bench"
CASES = SHARED / "cases"
PARQUET = SHARED / "data" / "userrl" / "tau_multiturn.test.parquet"

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the published data is not there")


@cache
def domain(name: str) -> Domain:
    return Domain.load(name, DATA)


def cases(name: str) -> list[dict[str, Any]]:
    path = CASES / f"tau_{name}_replays.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
