"""Threads of mail about what the other tables hold: a colleague opens, the boss answers, it goes on for a while."""

import random
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import cached_property
from typing import Any

from usergym.environments.workplace.company.customers import Client
from usergym.environments.workplace.company.moments import Clock, spoken_day, stamp
from usergym.environments.workplace.company.people import Person, Staff
from usergym.environments.workplace.company.words import shuffled_ids, table

Rows = list[dict[str, str | None]]
DAYS = 60
KINDS = ("task", "meeting", "customer", "office")


@dataclass(frozen=True)
class Topics:
    """What there is to write about, and by whom."""

    staff: Staff
    tasks: Rows
    events: Rows
    clients: list[Client]

    def draw(self, chance: random.Random) -> tuple[str, Person, dict[str, str]]:
        """A kind of thread, who opens it, and the names that fall in it."""
        kind = chance.choices(KINDS, (len(self.tasks) and 40, len(self.events) and 22, len(self.clients) and 22, 16))[0]
        if kind == "task":
            row = chance.choice(self.tasks)
            return kind, self._by_email[str(row["assigned_to_email"])], {"it": str(row["task_name"])}
        if kind == "meeting":
            row = chance.choice(self.events)
            return kind, self._by_email[str(row["participant_email"])], {"it": str(row["event_name"])}
        if kind == "customer":
            client = chance.choice(self.clients)
            person = self._by_email[str(client.row["assigned_to_email"])]
            return kind, person, {"it": str(client.row["customer_name"]), "firm": client.firm}
        return kind, chance.choice(self.staff.people), {}

    @cached_property
    def _by_email(self) -> dict[str, Person]:
        return {person.email: person for person in self.staff.people}


@dataclass(frozen=True)
class _Mail:
    sent: datetime
    box: str
    person: str
    subject: str
    body: str


def write(count: int, topics: Topics, clock: Clock, chance: random.Random) -> Rows:
    mails: list[_Mail] = []
    taken: set[datetime] = set()
    while len(mails) < count:
        for mail in _thread(topics, clock, chance)[: count - len(mails)]:
            sent = mail.sent
            while sent in taken:
                sent -= timedelta(seconds=1)
            taken.add(sent)
            mails.append(_Mail(sent, mail.box, mail.person, mail.subject, mail.body))
    mails.sort(key=lambda mail: mail.sent)
    return [
        {
            "email_id": email_id,
            "inbox/outbox": mail.box,
            "sender/recipient": mail.person,
            "subject": mail.subject,
            "sent_datetime": stamp(mail.sent),
            "body": mail.body,
        }
        for mail, email_id in zip(mails, shuffled_ids(count, chance), strict=True)
    ]


def _thread(topics: Topics, clock: Clock, chance: random.Random) -> list[_Mail]:
    kind, person, names = topics.draw(chance)
    words = table("mail")[kind]
    sent = clock.past(DAYS, chance)
    subject = chance.choice(words["subjects"])
    slots = _slots(topics.staff, person, names, sent, chance)
    slots.setdefault("it", subject)
    subject = subject.format(**slots)
    mails = [_Mail(sent, "inbox", person.email, subject, _body("openings", words, slots, chance))]
    said = mails[0].body
    for part in ("answers", "closings")[: chance.choices((0, 1, 2), (60, 22, 18))[0]]:
        sent = _later(sent, chance)
        if sent >= clock.now:
            break
        body = _body(part, words, slots, chance) + _quoted(said, slots["me"] if part == "answers" else slots["name"])
        box = "outbox" if part == "answers" else "inbox"
        mails.append(_Mail(sent, box, person.email, f"RE: {subject}", body))
        said = body
    return mails


def _slots(
    staff: Staff, person: Person, names: dict[str, str], sent: datetime, chance: random.Random
) -> dict[str, str]:
    days = [day for offset in range(1, 12) if (day := sent.date() + timedelta(days=offset)).weekday() < 5]
    return {
        "name": staff.boss,
        "me": person.first,
        "due": spoken_day(chance.choice(days)),
        "day": f"{chance.choice(days[:4]):%A}",
        "time": f"{chance.randrange(9, 17)}:{chance.choice(('00', '30'))}",
        **names,
    }


def _body(part: str, words: dict[str, Any], slots: dict[str, str], chance: random.Random) -> str:
    """Greeting, what it is about, now and then an aside, and a name under it."""
    general = table("mail")
    boss = part == "answers"
    own = {**slots, "name": slots["me"], "me": slots["name"]} if boss else slots
    text: str = chance.choice(words[part])
    if not boss and chance.random() < 0.25:
        text += " " + chance.choice(general["asides"])
    greeting = chance.choice(general["boss_greetings" if boss else "greetings"])
    return f"{greeting}\n\n{text}\n\n{chance.choice(general['endings'])}".format(**own)


def _quoted(body: str, writer: str) -> str:
    """The one sentence of the mail before that matters."""
    parts = body.split("\n\n")
    return f"\n\n{writer} wrote:\n> {parts[1]}" if len(parts) > 1 else ""


def _later(sent: datetime, chance: random.Random) -> datetime:
    """Within two working days, in working hours."""
    moment = sent + timedelta(minutes=int(chance.expovariate(1 / 400)) + 4)
    if not 8 <= moment.hour < 19:
        moment = datetime.combine(moment.date() + timedelta(days=moment.hour >= 19), time(8))
        moment += timedelta(seconds=chance.randrange(3 * 3600))
    while moment.weekday() > 4:
        moment += timedelta(days=1)
    return moment
