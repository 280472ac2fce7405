"""What is to be done: tasks on three boards."""

import random
from collections.abc import Iterator
from datetime import timedelta

from usergym.environments.workplace.company.moments import Clock
from usergym.environments.workplace.company.people import BOARDS, Staff
from usergym.environments.workplace.company.words import shuffled_ids, table

Rows = list[dict[str, str | None]]


def fill(count: int, staff: Staff, clock: Clock, chance: random.Random) -> Rows:
    names = {board: _names(board, chance) for board in BOARDS}
    teams = {board: staff.team(board) for board in BOARDS}
    rows: Rows = []
    for number, task_id in enumerate(shuffled_ids(count, chance)):
        board = BOARDS[number % 3]
        team = teams[board]
        turn = number // 3
        person = team[turn] if turn < len(team) else chance.choice(team)
        offset = chance.randrange(-25, 36)
        due = clock.today + timedelta(days=offset)
        if due.weekday() > 4:
            due += timedelta(days=7 - due.weekday())
        late = (due - clock.today).days < 0
        rows.append(
            {
                "task_id": task_id,
                "task_name": next(names[board]),
                "assigned_to_email": person.email,
                "list_name": _list(late, chance),
                "due_date": due.isoformat(),
                "board": board,
            }
        )
    rows.sort(key=lambda row: row["due_date"] or "")
    return rows


def _list(late: bool, chance: random.Random) -> str:
    lists = ("Backlog", "In Progress", "In Review", "Completed")
    return chance.choices(lists, (6, 10, 10, 74) if late else (52, 26, 14, 8))[0]


def _names(board: str, chance: random.Random) -> Iterator[str]:
    """Every pattern with every part, in some order; then the same again as a next phase."""
    words = table("boards")[board]
    names = [pattern.format(part) for pattern in words["patterns"] for part in words["parts"]]
    chance.shuffle(names)
    yield from names
    phase = 2
    while True:
        yield from (f"{name}, phase {phase}" for name in names)
        phase += 1
