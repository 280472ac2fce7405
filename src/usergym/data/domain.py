"""A domain of your own, as data in one file: personas, a prompt, what the user can want, and in which order."""

import json
import random
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from usergym.environments.base import Environment, World
from usergym.models.base import Model
from usergym.types import Record, Task, Trajectory, split_of, stable_hash
from usergym.users import persona_sources
from usergym.users.agenda import AgendaParticipant, Step
from usergym.users.base import Participant
from usergym.users.persona import Persona
from usergym.users.prompted import PROMPT_SLOTS, PromptedParticipant, check_slots
from usergym.users.wording import style


class AgendaOption(Record, frozen=True):
    """One thing a user can want."""

    instruction: str
    """What a model that plays the user is told to do; `{names}` are filled from the step's params."""
    say: tuple[str, ...] = ()
    """Wordings for the rule-based user, one of which is drawn."""
    must_include: tuple[str, ...] = ()
    must_not_include: tuple[str, ...] = ()


class DomainStep(Record, frozen=True):
    type: str
    params: dict[str, Any] = {}
    """Values for the `{names}`; of a list one is drawn. A name that a step does not give itself is looked up in
    the others, the earliest first."""
    fixed_response: str | None = None
    probability: float = 1.0
    """How often this step occurs at all."""


class PersonaSource(Record, frozen=True):
    source: str = "generated"
    """`generated`, a hub id, or a file."""
    list: tuple[str, ...] = ()
    """Instead of a source: the personas themselves."""
    n_traits: int | None = None


class DomainFile(Record, frozen=True):
    """The whole file. TOML or JSON."""

    name: str
    steps: tuple[DomainStep, ...]
    agenda: dict[str, AgendaOption | str]
    assistant: str = ""
    """The assistant's system prompt."""
    prompt: str | None = None
    """The prompt of a model that plays the user, with {persona}, {partial_conversation_history}, {agenda}."""
    personas: PersonaSource = PersonaSource()

    def option(self, kind: str) -> AgendaOption:
        option = self.agenda[kind]
        return AgendaOption(option) if isinstance(option, str) else option


def read_domain(path: Path) -> DomainFile:
    """ValueError names the file and the field."""
    try:
        text = path.read_bytes()
        raw = json.loads(text) if path.suffix == ".json" else tomllib.loads(text.decode())
        domain = msgspec.convert(raw, DomainFile)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}; give `calendar` or a domain file (TOML or JSON)") from error
    except (ValueError, msgspec.ValidationError) as error:
        raise ValueError(f"{path}: {error}") from error
    if not domain.steps:
        raise ValueError(f"{path}: field 'steps': expected at least one step, found none")
    if domain.prompt is not None:
        try:
            check_slots("the prompt", domain.prompt, PROMPT_SLOTS)
        except ValueError as error:
            raise ValueError(f"{path}: field 'prompt': {error}") from None
    for place, step in enumerate(domain.steps):
        if step.type not in domain.agenda:
            known = ", ".join(domain.agenda) or "none"
            raise ValueError(f"{path}: steps[{place}].type is {step.type!r}, which the agenda lacks; it has: {known}")
        option = domain.option(step.type)
        for template in (
            option.instruction,
            step.fixed_response or "",
            *option.say,
            *option.must_include,
            *option.must_not_include,
        ):
            _fill(template, _first_of(domain.steps), f"{path}: agenda option {step.type!r}")
    return domain


def _first_of(steps: Sequence[DomainStep]) -> dict[str, Any]:
    return {key: value for step in steps for key, value in step.params.items()}


def _fill(template: str, params: Mapping[str, Any], where: str) -> str:
    try:
        return template.format_map(params)
    except KeyError as error:
        raise ValueError(f"{where} uses {{{error.args[0]}}}, which no step's params give") from None
    except (ValueError, IndexError) as error:
        raise ValueError(f"{where}: {error} in {template[:60]!r}; write a literal brace twice") from None


class Domain(Environment):
    """Tasks of a domain file. It has no grader: it is for generating conversations."""

    def check_rule_based(self) -> None:
        """ValueError when an agenda option has no words for the rule-based user."""
        for step in self.file.steps:
            if not self.file.option(step.type).say:
                raise ValueError(f"agenda option {step.type!r} has no `say`: give it wordings, or give --model")

    def __init__(self, file: DomainFile, offset: int = 0) -> None:
        self.file = file
        self.name = file.name  # type: ignore[misc]
        self.offset = offset

    def personas(self, seed: int) -> Iterator[Persona]:
        source = self.file.personas
        if source.list:
            return (Persona(source.list[n % len(source.list)]) for n in count(self.offset))
        return persona_sources.load(source.source, self.offset, None, source.n_traits, seed)

    def tasks(self, split: str | None = None, seed: int = 0) -> Iterator[Task]:
        for n, persona in enumerate(self.personas(seed), self.offset):
            key = f"{self.file.name}-{seed}-{n}"
            draws = random.Random(stable_hash(key))
            own = [
                {name: draws.choice(value) if isinstance(value, list) else value for name, value in step.params.items()}
                for step in self.file.steps
            ]
            shared = {name: value for params in reversed(own) for name, value in params.items()}
            steps = [
                self.step(step, {**shared, **params})
                for step, params in zip(self.file.steps, own, strict=True)
                if draws.random() < step.probability
            ]
            kept = steps or [self.step(self.file.steps[0], {**shared, **own[0]})]
            if split is None or split_of(key, test=0.1) == split:
                data = msgspec.json.decode(msgspec.json.encode({"persona": persona, "steps": kept}))
                yield Task(key, self.file.name, data=data, split=split)

    def step(self, step: DomainStep, params: Mapping[str, Any]) -> Step:
        option = self.file.option(step.type)
        filled = {
            **params,
            "must_include": [text.format_map(params) for text in option.must_include],
            "must_not_include": [text.format_map(params) for text in option.must_not_include],
        }
        if option.say:
            filled["say"] = list(option.say)
        response = None if step.fixed_response is None else step.fixed_response.format_map(params)
        return Step(step.type, filled, response)

    def start(self, task: Task) -> World:
        return _DomainWorld(task, self.file)


class _DomainWorld(World):
    def __init__(self, task: Task, file: DomainFile) -> None:
        super().__init__(task)
        self.file = file
        self.steps = msgspec.convert(task.data["steps"], list[Step])

    @property
    def system(self) -> str:
        return self.file.assistant

    def user(self, model: Model | None) -> Participant:
        persona = msgspec.convert(self.task.data["persona"], Persona)
        if model is None:
            return AgendaParticipant("user", self.steps, persona, style(persona, self.seed), self.seed)
        agenda = {kind: self.file.option(kind).instruction for kind in self.file.agenda}
        text, prompt = persona.text(self.file.personas.n_traits), self.file.prompt
        return PromptedParticipant(model, text, self.steps, prompt=prompt, agenda=agenda, seed=self.seed)


def conversation_row(trajectory: Trajectory) -> dict[str, Any]:
    """A generated conversation as one row: persona, messages, and what the user wanted at each message."""
    return {
        "sample_id": trajectory.id,
        "persona": trajectory.task.data["persona"]["professional"],
        "conversation": [
            {"role": message.role, "content": message.content}
            for message in trajectory.view("assistant")
            if message.content
        ],
        "user_intents": [step["kind"] for step in trajectory.task.data["steps"]],
    }
