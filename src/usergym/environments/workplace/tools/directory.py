"""The company directory: everybody's address."""

from typing import Any

from usergym.environments.workplace.office import Office


def find_email_address(office: Office, /, name: Any = "") -> Any:
    if name == "":
        return "Name not provided."
    name = name.lower()
    return [address for address in office.directory if name in address.lower()]
