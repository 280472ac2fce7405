"""How people put a request: with a hello or without, a thank you or none, now and then all in lower case."""

import random

OPENERS = ("Hi! ", "Hey, ", "Quick one: ", "Morning! ", "One more thing: ", "Hello, ", "Small favour: ", "Next: ")
CLOSERS = (" Thanks!", " Thank you.", " Thanks a lot", " Cheers")
ASKS = (
    "Can ",
    "Could ",
    "Who ",
    "When ",
    "What ",
    "How ",
    "Did ",
    "Is ",
    "Does ",
    "Were ",
    "Which ",
    "On what ",
    "On which ",
)
KEEPS = ("I ", "I'", "CRM")


def styled(text: str, pattern: str, chance: random.Random) -> str:
    """`pattern` is the phrasing `text` was made from: where it begins with a name, that keeps its capital."""
    ends = text.rstrip("'")[-1] in ".?!"
    if not ends and chance.random() < 0.6:
        text += "?" if pattern.startswith(ASKS) and "?" not in pattern else "."
        ends = True
    if chance.random() < 0.2:
        opener = chance.choice(OPENERS)
        if not pattern.startswith(("{", "'", *KEEPS)) and opener[-2] in ",:":
            text = text[0].lower() + text[1:]
        text = opener + text
    elif not pattern.startswith(("{", "'", *KEEPS)) and chance.random() < 0.08:
        text = text[0].lower() + text[1:]
    if chance.random() < 0.15:
        text += ("" if ends else ".") + chance.choice(CLOSERS)
    return text
