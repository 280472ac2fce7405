"""Models, agents and budgets from their flags."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from usergym.cli.options import ReachOptions
from usergym.models.base import Model
from usergym.models.budget import Budget
from usergym.models.cache import CachedModel
from usergym.models.prices import Prices, load
from usergym.models.providers import connect, parse
from usergym.models.retry import Retry
from usergym.models.sampled import SampledModel
from usergym.models.transport import Options, show
from usergym.rollouts.engine import Seating, seat_idle, seat_model, seat_oracle
from usergym.types import Sampling
from usergym.users.states.speaking import SpeakingModel, read_speech

PLAYED = {"oracle": seat_oracle, "idle": seat_idle}
CHECKPOINT = "checkpoint/"
"""Before the folder of a trained model, which then runs in this process, without the states that a trained user writes
before it speaks."""


@dataclass
class Models:
    """The models of one run: one budget, one price table, one cache."""

    options: ReachOptions
    budget: Budget = field(init=False)
    prices: Prices = field(init=False)
    connected: dict[str, Model] = field(default_factory=dict)

    def __post_init__(self) -> None:
        options = self.options
        self.prices = load(options.prices)
        self.budget = Budget(options.max_requests, options.max_total_tokens, options.max_cost, self.prices)

    def connect(self, name: str) -> Model:
        if name not in self.connected and is_checkpoint(name):
            self.connected[name] = _checkpoint(name)
        elif name not in self.connected:
            options = self.options
            model = connect(
                name,
                options.endpoint,
                options.base_url,
                options=Options(options.api, options.deadline, retry=Retry(options.retries)),
                budget=self.budget,
                prices=self.prices,
                context=options.context,
                parallel=options.parallel,
                threads=options.threads,
            )
            self.connected[name] = CachedModel(model, options.cache) if options.cache else model
        return self.connected[name]

    def agent(self, name: str) -> Seating:
        """`oracle`, `idle`, or a model."""
        if name in PLAYED:
            return PLAYED[name]
        return seat_model(self.connect(name), self.options.sampling())

    def user(self, name: str | None, temperature: float | None = None) -> Model | None:
        """The model that plays the user, at a temperature of its own where one is given."""
        if not name:
            return None
        model = self.connect(name)
        return model if temperature is None else SampledModel(model, Sampling(temperature))

    def services(self, judge: str | None) -> dict[str, Model]:
        """Whom worlds may ask."""
        return {"judge": self.connect(judge)} if judge else {}

    @property
    def all(self) -> tuple[Model, ...]:
        return tuple(self.connected.values())


def resolved(name: str | None, options: ReachOptions) -> dict[str, Any] | None:
    """What identifies a model in a run's configuration: its full name and where it is."""
    if name is None:
        return None
    if name in PLAYED or is_checkpoint(name):
        return {"name": name}
    address = parse(name, options.endpoint, options.base_url)
    return {"name": address.name, "url": show(address.base_url)} if address.base_url else {"name": address.name}


def is_checkpoint(name: str) -> bool:
    """`checkpoint/FOLDER`, or a folder that holds a model or a run that trained one."""
    folder = Path(name)
    marks = ("config.json", "adapter_config.json", "model/config.json")
    return name.startswith(CHECKPOINT) or any((folder / mark).is_file() for mark in marks)


def _checkpoint(name: str) -> Model:
    """Refuses what cannot be loaded now, not at the first reply."""
    try:
        from usergym.training.checkpoints import check
        from usergym.training.frozen import Frozen
    except ImportError as error:
        raise LookupError(f"model {name!r} needs {error.name}; get it with: pip install 'usergym[train]'") from error
    folder = name.removeprefix(CHECKPOINT)
    check(folder)
    if name != folder:
        return Frozen(folder)
    speech = next(filter(None, (read_speech(Path(folder, part)) for part in ("", "model"))), None)
    return SpeakingModel(Frozen(folder), speech) if speech else Frozen(folder)
