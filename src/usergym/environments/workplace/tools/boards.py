"""Project management: tasks on boards."""

import re
from typing import Any

from usergym.environments.workplace.state import State
from usergym.environments.workplace.tables import containing

LISTS = ("Backlog", "In Progress", "In Review", "Completed")
BOARDS = ("Back end", "Front end", "Design")
_ADDRESS = re.compile(r"^[a-zA-Z0-9._%+-]+@[a-zA-Z0-9.-]+\.[a-zA-Z]{2,}$")


def get_task_information_by_id(office: State, /, task_id: Any = None, field: Any = None) -> Any:
    if not task_id:
        return "Task ID not provided."
    if not field:
        return "Field not provided."
    places = office.tasks.places(task_id)
    if not places:
        return "Task not found."
    task = office.tasks[places[0]]
    return {field: task[field]} if field in task else "Field not found."


def search_tasks(
    office: State,
    /,
    task_name: Any = None,
    assigned_to_email: Any = None,
    list_name: Any = None,
    due_date: Any = None,
    board: Any = None,
) -> Any:
    given = {"task_name": task_name, "list_name": list_name, "due_date": due_date, "board": board}
    texts = {column: text for column, text in given.items() if text}
    if not texts and not assigned_to_email:
        return "No search parameters provided."
    if assigned_to_email and not _ADDRESS.match(assigned_to_email):
        return "Invalid email format for assigned_to_email."
    found = containing(office.tasks, texts)
    if assigned_to_email:
        address = assigned_to_email.lower()
        found = [task for task in found if task["assigned_to_email"].lower() == address]
    return [dict(task) for task in found]


def create_task(
    office: State,
    /,
    task_name: Any = None,
    assigned_to_email: Any = None,
    list_name: Any = None,
    due_date: Any = None,
    board: Any = None,
) -> Any:
    if not all([task_name, assigned_to_email, list_name, due_date, board]):
        return "Missing task details."
    address = assigned_to_email.lower()
    if problem := _bad_assignee(office, address) or _bad_list(list_name) or _bad_board(board):
        return problem
    task_id = str(int(office.tasks.highest_id() or 0) + 1).zfill(8)
    office.tasks.add(
        {
            "task_id": task_id,
            "task_name": task_name,
            "assigned_to_email": address,
            "list_name": list_name,
            "due_date": due_date,
            "board": board,
        }
    )
    return task_id


def _bad_assignee(office: State, address: Any) -> str | None:
    """Only who has a task already is a member of the team."""
    known = address in office.base.assignees and not office.tasks.deleted and not office.tasks.changed
    if known or any(task["assigned_to_email"].lower() == address for _, task in office.tasks):
        return None
    return "Assignee email not valid. Please choose from the list of team members."


def _bad_list(name: Any) -> str | None:
    return None if name in LISTS else f"List not valid. Please choose from: {', '.join(map(repr, LISTS))}."


def _bad_board(name: Any) -> str | None:
    return None if name in BOARDS else f"Board not valid. Please choose from: {', '.join(map(repr, BOARDS))}."


def delete_task(office: State, /, task_id: Any = None) -> Any:
    if not task_id:
        return "Task ID not provided."
    places = office.tasks.places(task_id)
    office.tasks.delete(places)
    return "Task deleted successfully." if places else "Task not found."


def update_task(office: State, /, task_id: Any = None, field: Any = None, new_value: Any = None) -> Any:
    if not task_id or not field or not new_value:
        return "Task ID, field, or new value not provided."
    problem = None
    if field == "assigned_to_email":
        new_value = new_value.lower()
        problem = _bad_assignee(office, new_value)
    elif field == "board":
        problem = _bad_board(new_value)
    elif field == "list_name":
        problem = _bad_list(new_value)
    if problem:
        return problem
    places = office.tasks.places(task_id)
    if not places:
        return "Task not found."
    if field not in office.tasks.base.columns:
        return "Field not valid."
    office.tasks.update(places, field, new_value)
    return "Task updated successfully."
