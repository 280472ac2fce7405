"""Whether a guess names the thing: by any of its names, and one name at a time."""

import re

from usergym.environments.telepathy.entities import Entity, known_names, names_of_kind, plain

LONGEST = 80
"""Characters of a guess."""

_FRAME = re.compile(
    r"^(?:i (?:think|guess|believe|say|bet)(?: that)?|my (?:final )?(?:answer|guess) is|the answer is|so|then|perhaps|"
    r"maybe|is it|it is|it s|its|this is|that is|he is|she is|you are thinking of|are you thinking of|the)\b[ ,:]*",
    re.IGNORECASE,
)
_SEVERAL = re.compile(r"[,;/|\n•&+]|\b(?:or|and|and/or|either|versus|vs)\b|\d+[.)] ", re.IGNORECASE)


def name_in(guess: str) -> str:
    """The guess without the words around it, plain."""
    text = guess.strip().strip("\"'“”‘’*_`.!? ")
    while (shorter := _FRAME.sub("", text, count=1)) != text and shorter:
        text = shorter
    return plain(text)


def several(guess: str, entity: Entity) -> bool:
    """Whether it is a list or a text instead of one name."""
    name = name_in(guess)
    if name in known_names() or name in {plain(other) for other in entity.names}:
        return False
    if len(guess) > LONGEST or _SEVERAL.search(guess.strip()):
        return True
    return sum(f" {other} " in f" {name} " for other in names_of_kind(entity.kind)) > 1


def right(guess: str, entity: Entity) -> bool:
    """Whether it is one of the thing's names, in the singular or the plural."""
    name = name_in(guess)
    return any(_same(name, plain(other)) for other in entity.names)


def _same(one: str, other: str) -> bool:
    return bool(one) and (one == other or bool(_forms(one) & _forms(other)))


def _forms(name: str) -> set[str]:
    forms = {name, name.replace(" ", "")}
    if len(name) > 3 and name.endswith("s") and not name.endswith("ss"):
        forms.add(name[:-1])
    if len(name) > 5 and name.endswith(("ches", "shes", "sses", "xes", "oes")):
        forms.add(name[:-2])
    if len(name) > 4 and name.endswith("ies"):
        forms.add(name[:-3] + "y")
    return forms
