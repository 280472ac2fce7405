"""The servers of a NeMo Gym stack, composed: head, model, and a resources and an agent server per environment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from usergym.environments.base import Environment
from usergym.models.base import Model
from usergym.serving.agent import CONCURRENCY, agent_app
from usergym.serving.head import HEAD, HEAD_PORT, TYPES, head_app
from usergym.serving.host import Service
from usergym.serving.remote import Conversation
from usergym.serving.resources import resources_app
from usergym.serving.sessions import LIMIT, TTL, Sessions
from usergym.types import Sampling


@dataclass
class Pair:
    """An environment to serve: its resources server and its agent."""

    environment: Environment
    resources: str
    """The resources server's name."""
    agent: str
    """The agent's name."""
    resources_port: int = 0
    agent_port: int = 0
    max_steps: int | None = None
    resources_implementation: str = ""
    agent_implementation: str = "simple_agent"
    spec: str = ""
    """How the environment was named, with its options."""


@dataclass
class Stack:
    """What the servers have in common."""

    model: Model
    model_name: str = "policy_model"
    model_port: int = 0
    host: str = "127.0.0.1"
    head_port: int = HEAD_PORT
    sampling: Sampling = field(default_factory=Sampling)
    """What rows leave open."""
    user_model: Model | None = None
    judge: Model | None = None
    concurrency: int = CONCURRENCY
    sessions: int = LIMIT
    ttl: float = TTL
    max_seconds: float | None = None
    seed: int = 0
    config: Mapping[str, Any] = field(default_factory=dict)
    """What the head shows, the addresses excepted; made from the servers unless given."""

    @property
    def services(self) -> dict[str, Model]:
        return {"judge": self.judge} if self.judge else {}


def pair(environment: Environment, name: str = "", *, max_steps: int | None = None, spec: str = "") -> Pair:
    """Named as NeMo Gym names them: NAME and NAME_simple_agent."""
    name = name or environment.name
    return Pair(
        environment, name, f"{name}_simple_agent", max_steps=max_steps, resources_implementation=name, spec=spec
    )


def build(pairs: Sequence[Pair], stack: Stack) -> list[Service]:
    """All servers, none of them listening yet: the head first. ValueError for a name that two of them have."""
    from usergym.serving.model import model_app

    host = stack.host
    services: list[Service] = []
    model = Service(
        stack.model_name,
        "model",
        model_app(stack.model, sampling=stack.sampling),
        host,
        stack.model_port,
        "openai_model",
    )
    services.append(model)
    for each in pairs:
        sessions: Sessions[Conversation] = Sessions(each.resources, stack.sessions, stack.ttl)
        resources = resources_app(
            each.environment,
            name=each.resources,
            sessions=sessions,
            user_model=stack.user_model,
            services=stack.services,
        )
        agent = agent_app(
            each.environment,
            stack.model,
            name=each.agent,
            max_steps=each.max_steps,
            sessions=sessions,
            concurrency=stack.concurrency,
            sampling=stack.sampling,
            user_model=stack.user_model,
            services=stack.services,
            max_seconds=stack.max_seconds,
            seed=stack.seed,
        )
        theirs = each.resources_implementation or each.resources
        service = Service(each.resources, "resources", resources, host, each.resources_port, theirs)
        service.end = sessions.close_all
        services.append(service)
        services.append(Service(each.agent, "agent", agent, host, each.agent_port, each.agent_implementation))
    names = [HEAD, *(service.name for service in services)]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"two servers are called {twice!r}; give each environment a name of its own")
    config = stack.config or described(pairs, stack)
    services.insert(0, Service(HEAD, "head", None, host, stack.head_port))  # type: ignore[arg-type]
    services[0].app = head_app(config, services)
    return services


def described(pairs: Sequence[Pair], stack: Stack) -> dict[str, Any]:
    """The configuration that NeMo Gym would have these servers from."""
    config: dict[str, Any] = {
        "policy_model_name": stack.model.name,
        stack.model_name: {TYPES["model"]: {"openai_model": {"openai_model": stack.model.name}}},
    }
    deciding = {
        "sampling": msgspec.to_builtins(stack.sampling),
        "user_model": stack.user_model and stack.user_model.name,
        "judge_model": stack.judge and stack.judge.name,
        "seed": stack.seed,
    }
    deciding = {name: value for name, value in deciding.items() if value}
    for each in pairs:
        played = {"environment": each.spec} if each.spec else {}
        config[each.resources] = {TYPES["resources"]: {each.resources_implementation or each.resources: played}}
        config[each.agent] = {
            TYPES["agent"]: {
                each.agent_implementation: {
                    "max_steps": each.max_steps,
                    **deciding,
                    "resources_server": {"type": TYPES["resources"], "name": each.resources},
                    "model_server": {"type": TYPES["model"], "name": stack.model_name},
                }
            }
        }
    return config
