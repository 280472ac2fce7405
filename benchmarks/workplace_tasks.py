"""Workplace requests: what is generated, how fast, and whether the verdict agrees with every ground truth.

    python benchmarks/workplace_tasks.py [requests] [companies]

Every request is held against the verdict in both modes: its own ground truth earns, doing nothing and leaving out any
one call do not (a question is not won by doing nothing in mode `state`; in mode `nemo_gym` it is, so it is left out).
"""

import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Literal

from rich.console import Console
from rich.table import Table

from usergym.environments.workplace import company
from usergym.environments.workplace.office import Office
from usergym.environments.workplace.requests import Request, oracle_calls, oracle_words, requests
from usergym.environments.workplace.verdict import judge, outcome_reward, read_call

MODES: tuple[Literal["state", "nemo_gym"], ...] = ("state", "nemo_gym")
AT_ONCE = 6
"""Model calls an agent has that makes one tool call in each."""


def faults(request: Request, office: Office) -> Iterator[str]:
    truth = request.ground_truth
    for mode in MODES:
        if outcome_reward(truth, truth, office, mode) != 1:
            yield f"{mode}: the ground truth fails"
        if request.answer and mode == "nemo_gym":
            continue
        if outcome_reward([], truth, office, mode) != 0:
            yield f"{mode}: doing nothing earns"
        for number in range(len(truth)):
            if outcome_reward(truth[:number] + truth[number + 1 :], truth, office, mode) != 0:
                yield f"{mode}: a call is not needed"
    after = office.fresh()
    calls = [read_call(call) for calls in oracle_calls(request) for call in calls]
    made = [(name, arguments, after.call(name, arguments)) for name, arguments in calls]
    if problem := judge(after, made, truth, request.answer, oracle_words(request)):
        yield f"the oracle fails: {problem}"


def main(wanted: int, companies: int) -> None:
    rejected: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    made: list[Request] = []
    building = generating = verifying = 0.0
    for seed in range(companies):
        started = time.process_time()
        spec = company.Spec(seed)
        office = Office.from_rows(company.build(spec), company.now(spec))
        built = time.process_time()
        some = list(islice(requests(office, seed, rejected), wanted // companies))
        done = time.process_time()
        for request in some:
            wrong.update(f"{request.category} {request.template}: {fault}" for fault in faults(request, office))
        building, generating = building + built - started, generating + done - built
        verifying += time.process_time() - done
        made += some
    console = Console()
    console.print(_table(made, rejected))
    calls = [sum(map(len, oracle_calls(request))) for request in made]
    acts = sum(not request.answer for request in made)
    console.print(
        f"{len(made)} requests of {companies} companies, {acts} actions and {len(made) - acts} questions; "
        f"{sum(calls) / len(calls):.1f} calls each in {sum(one.steps for one in made) / len(made):.1f} rounds, "
        f"at most {max(calls)} in {max(one.steps for one in made)}; "
        f"{sum(count <= AT_ONCE for count in calls) / len(calls):.1%} within {AT_ONCE} single calls\n"
        f"drawn again: {sum(rejected.values()) / (sum(rejected.values()) + len(made)):.1%}; "
        f"said twice: {1 - len({one.user for one in made}) / len(made):.2%}\n"
        f"seconds: {building / companies:.3f} a company, {generating / len(made) * 1000:.3f} per 1,000 requests, "
        f"{verifying / len(made) * 1000:.3f} to verify as many"
    )
    for fault, count in wrong.most_common():
        console.print(f"{count} x {fault}")
    if wrong:
        sys.exit(1)


def _table(made: list[Request], rejected: Counter[str]) -> Table:
    table = Table("category", "template", "requests", "drawn again", "calls", "rounds")
    again: Counter[str] = Counter()
    for reason, count in rejected.items():
        again[reason.partition(":")[0]] += count
    for key in sorted({(one.category, one.template) for one in made}):
        some = [one for one in made if (one.category, one.template) == key]
        calls = sum(len(calls) for one in some for calls in oracle_calls(one))
        share = again[".".join(key)] / (again[".".join(key)] + len(some))
        rounds = sum(one.steps for one in some) / len(some)
        name = key[0].removeprefix("workplace_assistant_")
        table.add_row(name, key[1], str(len(some)), f"{share:.0%}", f"{calls / len(some):.1f}", f"{rounds:.1f}")
    return table


if __name__ == "__main__":
    given = [int(text) for text in sys.argv[1:]]
    main(*(given + [3000, 20][len(given) :]))
