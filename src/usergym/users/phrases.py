"""Wording: turns one step of an agenda into a message, by a grammar, a persona and a style."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from random import Random
from string import Formatter
from typing import Any, Literal, get_args

from usergym.types import Record, stable_hash
from usergym.users.persona import Persona, article, trade
from usergym.users.persona_tables import spoken
from usergym.users.wording import Style, punctuated, without_contractions

ConstraintKind = Literal["before", "after", "between", "at"]
CALENDAR_KINDS: dict[str, tuple[str, ...]] = {
    "add_event": ("event_name", "duration", "event_id"),
    "add_constraint": ("event_name", "event_id", "constraint"),
    "continue_conversation": (),
}
"""The kinds that the grammar words, with the params each needs."""


class Constraint(Record, frozen=True):
    kind: ConstraintKind
    times: tuple[int, ...]
    """Minutes from midnight, one or two of them."""

    def meaning(self) -> str:
        """What it asks of an event, without room for doubt."""
        first, last = clock(self.times[0]), clock(self.times[-1])
        return {
            "before": f"it ends at or before {first}",
            "after": f"it starts at or after {first}",
            "between": f"it starts at or after {first} and ends at or before {last}",
            "at": f"it starts at exactly {first}",
        }[self.kind]


_CONSTRAINT_TIME = re.compile(r"(\d{1,2})(?::(\d{2}))? ?(am|pm)", re.IGNORECASE)


def read_constraint(text: str) -> Constraint:
    """`before 11am`, `after 2:15pm`, `between 10am and 12:45pm`, `at 1:15pm`. ValueError otherwise."""
    kind, _, rest = text.strip().partition(" ")
    parts = rest.split(" and ") if kind == "between" else [rest]
    times = [_CONSTRAINT_TIME.fullmatch(part.strip()) for part in parts]
    expected = "'before 11am', 'after 2:15pm', 'between 10am and 12:45pm' or 'at 1:15pm'"
    if kind not in get_args(ConstraintKind) or len(parts) != (2 if kind == "between" else 1):
        raise ValueError(f"constraint {text!r}: expected one like {expected}")
    minutes = []
    for time in times:
        if time is None or not 1 <= int(time[1]) <= 12 or int(time[2] or 0) > 59:
            raise ValueError(f"constraint {text!r}: expected one like {expected}")
        minutes.append(int(time[1]) % 12 * 60 + int(time[2] or 0) + (720 if time[3].lower() == "pm" else 0))
    known: ConstraintKind = kind  # type: ignore[assignment]
    return Constraint(known, tuple(minutes))


def clock(minutes: int, form: str = "2:15pm") -> str:
    """A clock time in one of the forms people write, named by its example: `2:15pm`, `2:15 PM`,
    `2:15 p.m.`, `2:15 pm`, `14:15`, or `noon` (as `2:15pm`, but for noon)."""
    hour, minute = divmod(minutes, 60)
    if form == "14:15":
        return f"{hour:02d}:{minute:02d}"
    if form == "noon" and minutes == 720:
        return "noon"
    half = "am" if hour < 12 else "pm"
    written = {"2:15 PM": f" {half.upper()}", "2:15 p.m.": f" {half[0]}.m.", "2:15 pm": f" {half}"}.get(form, half)
    return f"{hour % 12 or 12}{f':{minute:02d}' if minute else ''}{written}"


@cache
def grammar(kind: str) -> dict[str, Any]:
    """The phrases of one kind of step, or the `manners` that all kinds share."""
    path = files("usergym.users") / "grammar" / f"{kind}.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


@cache
def _slots(template: str) -> frozenset[str]:
    return frozenset(name for _, name, _, _ in Formatter().parse(template) if name)


class Wording:
    """How one persona words its steps in one conversation: by the seed and the step's place alone."""

    def __init__(self, persona: Persona, style: Style, seed: int) -> None:
        self.persona = persona
        self.style = style
        self.seed = seed
        self.work = trade(persona)
        random = Random(stable_hash("wording", seed))
        forms = ["2:15pm", "2:15 pm", "2:15 PM", "noon"]
        if style.formality == "formal":
            forms = ["2:15 p.m.", "2:15 PM", "14:15", "noon"]
        self.form = random.choice(forms)
        self.turned = random.randrange(1 << 20)

    def say(self, kind: str, params: Mapping[str, Any], place: int, same_before: int = 0) -> str:
        """The message of a step at `place`, `same_before` steps of its kind having been said."""
        random = Random(stable_hash("say", self.seed, place))
        turn = self.turned + same_before
        if kind == "add_event":
            text = self._event(params, random, turn)
        elif kind == "add_constraint":
            text = self._constraint(params, random, turn)
        elif kind == "continue_conversation":
            text = self._small_talk(random, turn)
        else:
            text = self._generic(params, random)
        if place == 0 and self.style.politeness != "blunt":
            greeting = self._said(random.choice(grammar("manners")["greetings"][self.style.formality]))
            text = f"{self._lowered(greeting)} {text}"
        return punctuated(text, self.style.punctuation)

    def _event(self, params: Mapping[str, Any], random: Random, turn: int) -> str:
        table = grammar("add_event")
        name = str(params["event_name"])
        slots = {"event": name, "d": str(params["duration"]), "id": self._id(params, random)}
        core = self._pick(table["cores"][self.style.politeness], turn).format_map(slots)
        return self._dressed(core, table, random, name)

    def _constraint(self, params: Mapping[str, Any], random: Random, turn: int) -> str:
        table = grammar("add_constraint")
        constraint = read_constraint(params["constraint"])
        name = str(params["event_name"])
        times = [clock(minutes, self.form) for minutes in constraint.times]
        the_event = name if name.lower().startswith("the ") else f"the {name}"
        slots = {"the_event": the_event, "id": self._id(params, random), "x": times[0], "y": times[-1]}
        core = self._pick(table["cores"][constraint.kind], turn).format_map(slots)
        frame = self._said(random.choice(table["frames"][self.style.politeness]))
        core = _capital(core) if frame.startswith("{core}") else core
        text = frame.format(core=core).replace(".m..", ".m.")
        return self._dressed(text, table, random, name)

    def _small_talk(self, random: Random, turn: int) -> str:
        table = grammar("continue_conversation")
        facts = self._facts(random)
        count = {"terse": 1, "plain": 2, "chatty": 3}[self.style.verbosity]
        parts = []
        for place, part in enumerate(("first", "next", "last")[:count]):
            known = [sentence for sentence in table[part]["sentences"] if _slots(sentence) <= facts.keys()]
            # In turn, so that a conversation does not come back to a sentence before it has said the others.
            sentence = self._order(known)[turn % len(known)] if place == 0 else random.choice(known)
            parts.append(_capital(self._said(sentence).format_map(facts)))
        if self.style.filler and random.random() < 0.5:
            parts[0] = f"{random.choice(grammar('manners')['fillers'])} {_uncapital(parts[0])}"
        return self._lowered(" ".join(parts))

    def _order(self, sentences: list[str]) -> list[str]:
        return Random(self.turned).sample(sentences, len(sentences))

    def _generic(self, params: Mapping[str, Any], random: Random) -> str:
        say = params["say"]
        template = say if isinstance(say, str) else random.choice(say)
        said = re.sub(r"\{(\w{1,64})\}", lambda slot: str(params.get(slot[1], slot[0])), self._said(template))
        frame: str = random.choice(grammar("manners")["generic"][self.style.politeness])
        if frame != "{say}" and said[-1:] not in (".", "!", "?"):
            said += "?" if said.partition(" ")[0].lower() in ("can", "could", "would", "will", "may") else "."
        return frame.replace("{say}", said)

    def _dressed(self, core: str, table: Mapping[str, Any], random: Random, name: str) -> str:
        """The core sentence with an opening, a reason and an afterthought, as talkative as the style is."""
        manners = grammar("manners")
        text = core
        if self.style.filler and random.random() < 0.4:
            text = f"{random.choice(manners['fillers'])} {_uncapital(core, name)}"
        elif random.random() < 0.5:
            text = f"{random.choice(table['openings'][self.style.formality])} {_uncapital(core, name)}"
        else:
            text = _capital(core)
        if random.random() < {"terse": 0.0, "plain": 0.35, "chatty": 0.95}[self.style.verbosity]:
            reasons = table["reasons"]["sentences"]
            text += " " + _capital(self._said(random.choice(reasons)).format_map(self._facts(random)))
        if self.style.filler and random.random() < 0.2:
            text += " " + self._said(random.choice(manners["afterthoughts"]))
        elif self.style.politeness == "polite" and "lease" not in text and random.random() < 0.4:
            text += " " + random.choice(manners["thanks"])
        return self._lowered(text, name)

    def _facts(self, random: Random) -> dict[str, str]:
        work, who = self.work, self.persona
        facts = {"a_occupation": f"{article(work.name)} {work.name}", "interest": random.choice(who.interests or ("",))}
        for slot, known in (("task", work.tasks), ("tool", work.tools), ("worry", work.worries)):
            facts[slot], facts[f"{slot}2"] = random.sample(known, 2)
        facts["colleague"], facts["colleague2"] = random.sample(work.colleagues, 2)
        facts["topic"], facts["topic2"] = (spoken(topic) for topic in random.sample(work.topics, 2))
        facts |= {"employer": who.employer, "city": who.city}
        if who.years:
            facts["years"] = "a whole year" if who.years == 1 else f"{who.years} years"
        return {slot: fact for slot, fact in facts.items() if fact}

    def _pick(self, choices: Sequence[str], turn: int) -> str:
        return self._said(choices[turn % len(choices)])

    def _said(self, template: str) -> str:
        return template if self.style.contractions else without_contractions(template)

    def _id(self, params: Mapping[str, Any], random: Random) -> str:
        written: str = random.choice(grammar("manners")["ids"])
        return written.format(id=params["event_id"])

    def _lowered(self, text: str, name: str = "") -> str:
        casual = self.style.formality == "casual" and self.style.punctuation == "light"
        return _uncapital(text, name) if casual else text


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _uncapital(text: str, name: str = "") -> str:
    """`text` without its capital, unless the first word is `I`, an acronym, or begins `name`."""
    first = text.split(" ", 1)[0]
    keeps = first == "I" or first.startswith("I'") or first[1:2].isupper() or (name and text.startswith(name))
    return text if keeps else text[:1].lower() + text[1:]
