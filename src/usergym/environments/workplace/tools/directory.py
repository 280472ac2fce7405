"""The company directory: everybody's address."""

from typing import Any

from usergym.environments.workplace.state import State


def find_email_address(office: State, /, name: Any = "") -> Any:
    if name == "":
        return "Name not provided."
    name = name.lower()
    return [address for address in office.directory if name in address.lower()]
