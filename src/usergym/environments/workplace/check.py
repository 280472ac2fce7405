"""What is wrong with the calls that a row says should be made."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from usergym.environments.base import Finding
from usergym.environments.workplace.office import Office
from usergym.environments.workplace.verdict import read_call

_DONE = re.compile(r"\d{8}|plots/.*\.png|.* successfully\.")


def failing(ground_truth: Sequence[Mapping[str, Any]], office: Office) -> Iterator[Finding]:
    """Each call that fails when they are made in turn; `office` is changed."""
    for place, call in enumerate(ground_truth):
        output = office.call(*read_call(call))
        if isinstance(output, str) and not _DONE.fullmatch(output):
            yield Finding(f"ground_truth[{place}]", f"{call['name']} answers {output!r}")
