"""What people ask an assistant at work: requests in six categories, each with the calls that fulfil it.

A template draws rows from the office, says them in the words a person would use, and names the calls. Nothing is
believed: every request is played on a fresh office before it is given out, each call must succeed, and whatever id or
address it needs must have been said or shown before. What fails, or could mean two things, is drawn again.
"""

import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count

from usergym.environments.workplace.office import Office
from usergym.environments.workplace.requests import (
    analytics,
    calendar,
    chains,
    customer_relationship_manager,
    email,
    multi_domain,
    project_management,
)
from usergym.environments.workplace.requests.book import Book
from usergym.environments.workplace.requests.draft import Call, Draft, Draw, RedrawError, Template, need, prove
from usergym.environments.workplace.requests.messages import phrasings
from usergym.environments.workplace.requests.style import styled
from usergym.types import stable_hash

TEMPLATES: dict[str, tuple[Template, ...]] = {
    f"workplace_assistant_{module.__name__.rsplit('.', 1)[1]}": module.TEMPLATES
    for module in (email, calendar, analytics, project_management, customer_relationship_manager, multi_domain)
}
TEMPLATES["workplace_assistant_multi_domain"] += chains.TEMPLATES
"""By category."""

DIRECTORY = "company_directory_find_email_address"
"""Helps to find what answers a question, and answers none here."""

MOST_TEMPLATES, MOST_DRAWS = 12, 25
"""Of a category, and with one template, before another is tried; after the last category the office is too small."""


@dataclass(frozen=True)
class Request:
    user: str
    """What the person says."""
    ground_truth: list[Call]
    """The actions that fulfil it; for a question, the look-ups that answer it."""
    category: str
    template: str
    answer: list[str] | None = None
    """Facts that a right answer to a question contains: dates as 2025-03-02, times as 14:30, numbers in digits."""
    rounds: list[list[Call]] = field(default_factory=list)
    """The oracle's play, look-ups before actions."""

    @property
    def steps(self) -> int:
        """Rounds of calls it takes an agent that makes several at once."""
        return len(self.rounds)


def requests(office: Office, seed: int = 0, rejected: Counter[str] | None = None) -> Iterator[Request]:
    """Requests without end, the categories in turn. The same office and seed give the same ones everywhere.

    `rejected` counts what was drawn again, by template and reason. LookupError where the office has too little to
    ask about.
    """
    book = Book(office)
    for number in count():
        yield request(book, seed, number, rejected)


def request(book: Book, seed: int, number: int, rejected: Counter[str] | None = None) -> Request:
    """One of them, by its number; of the next category, where the office gives nothing to ask in its own."""
    chance = random.Random(stable_hash("workplace request", seed, number))
    categories = list(TEMPLATES)
    place = number % len(categories)
    for category in categories[place:] + categories[:place]:
        for _ in range(MOST_TEMPLATES):
            template = chance.choice(TEMPLATES[category])
            for _ in range(MOST_DRAWS):
                try:
                    return _made(template, category, Draw(book, chance))
                except RedrawError as reason:
                    if rejected is not None:
                        rejected[f"{category}.{template.__name__}: {reason}"] += 1
    raise LookupError(
        f"nothing to ask for in an office of {len(book.people)} people, {len(book.emails)} emails, "
        f"{len(book.events)} events, {len(book.tasks)} tasks, {len(book.customers)} customers and "
        f"{len(book.traffic_days)} days of traffic; give it more"
    )


def _made(template: Template, category: str, draw: Draw) -> Request:
    draft: Draft = template(draw)
    name = template.__name__
    pattern = draw.chance.choice(phrasings(category.removeprefix("workplace_assistant_"))[name][draft.case])
    text = _once_named(pattern.format(**draft.slots), draft.slots)
    user = styled(text, pattern, draw.chance)
    prove(draft, user, draw.book.office)
    said = set(re.findall(r"[\w-]+", user))
    need(not draft.answer or not said.issuperset(draft.answer), "the words hold the answer")
    rounds = [list(one) for one in draft.lookups if one]
    truth = list(draft.writes) or [made for one in rounds for made in one if made["name"] != DIRECTORY]
    rounds += [list(draft.writes)] if draft.writes else []
    return Request(user, truth, category, name, list(draft.answer) if draft.answer else None, rounds)


def _once_named(text: str, slots: Mapping[str, str]) -> str:
    """`'Catch-up with Ines' with Ines` is too much."""
    event, who = slots.get("event", ""), slots.get("who", "")
    return text.replace(f"'{event}' with {who}", f"'{event}'") if who and who in event else text


def oracle_calls(request: Request) -> list[list[Call]]:
    """Rounds of calls of an agent that plays perfectly."""
    return [list(one) for one in request.rounds]


def oracle_words(request: Request) -> str:
    """What it says at the end."""
    return f"Here is what you asked for: {', '.join(request.answer)}." if request.answer else "Done."
