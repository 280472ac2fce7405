"""How much the rule-based user repeats itself, over 10,000 of its calendar messages.

    python benchmarks/diversity.py

distinct-n: different n-grams / n-grams. self-BLEU: BLEU of a message against the others (a sample of 500).
The shipped limit: no text more than three times.
"""

from itertools import islice

from rich.console import Console
from rich.table import Table

from usergym.environments.calendar import environment
from usergym.rollouts.engine import begin
from usergym.users.agenda import AgendaParticipant
from usergym.users.diversity import diversity

MESSAGES = 10_000


def messages(seed: int) -> list[str]:
    calendar = environment(n_events=7)
    texts: list[str] = []
    for task in calendar.tasks(seed=seed):
        world = calendar.start(task)
        world.seed = begin(task, 0, seed).seed
        user = world.user(None)
        assert isinstance(user, AgendaParticipant)
        texts.extend(user.words(place) for place in range(len(user.steps)))
        if len(texts) >= MESSAGES:
            return list(islice(texts, MESSAGES))
    raise AssertionError("the generator does not end")


def main() -> None:
    table = Table(title=f"{MESSAGES:,} messages of the rule-based user")
    for name in ("seed", "distinct-1", "distinct-2", "self-BLEU", "most repeats of a text"):
        table.add_column(name, justify="right")
    for seed in range(3):
        found = diversity(messages(seed))
        shares = (f"{found.distinct_1:.4f}", f"{found.distinct_2:.4f}", f"{found.self_bleu:.3f}")
        table.add_row(str(seed), *shares, str(found.max_repeats))
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
