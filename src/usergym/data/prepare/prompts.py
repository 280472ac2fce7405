"""Prompts: what an item of a row with one prompt is."""

from usergym.data.prepare.dedupe import key
from usergym.data.prepare.recipe import Item


def prompt_item(prompt: str) -> Item:
    """A row {"prompt"}; its text decides what is a duplicate of it and which split it is in."""
    same = key(prompt)
    return Item({"prompt": prompt}, same, same, same.hex())
