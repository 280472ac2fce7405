"""Configurations that come with the package, found by the paths under which the peer keeps its own."""

import re
from importlib.resources import files
from string import Template

from usergym.data.formats.nemo_gym import ENVIRONMENTS
from usergym.environments.base import names

_MODELS = ("openai_model", "vllm_model", "local_model")
_MODEL = re.compile(r"(?:.*/)?responses_api_models/([^/]+)/configs/[^/]+\.ya?ml")
_ENVIRONMENT = re.compile(r"(?:.*/)?(?:resources_servers|environments)/([^/]+)/(?:configs/)?[^/]+\.ya?ml")
_MAX_STEPS = {"workplace": 6}
"""The agent's model calls, where a conversation does not end by itself."""


def shipped(path: str) -> str | None:
    """The text of the configuration that `path` names; None where there is none."""
    if (found := _MODEL.fullmatch(path)) and found[1] in _MODELS:
        return _read(f"{found[1]}.yaml")
    if (found := _ENVIRONMENT.fullmatch(path)) and (environment := environment_of(found[1])):
        steps = _MAX_STEPS.get(environment)
        return Template(_read("environment.yaml")).substitute(name=found[1], max_steps=steps or "null")
    return None


def environment_of(name: str) -> str | None:
    """Our name of the environment that the peer calls `name`; None where there is none."""
    name = ENVIRONMENTS.get(name, name)
    return name if name in names() else None


def known() -> list[str]:
    """Every path that `shipped` answers, in its usual form."""
    theirs = {ours: name for name, ours in ENVIRONMENTS.items()}
    models = [f"responses_api_models/{name}/configs/{name}.yaml" for name in _MODELS]
    called = [theirs.get(name, name) for name in names()]
    return models + [f"resources_servers/{name}/configs/{name}.yaml" for name in called]


def _read(name: str) -> str:
    return (files("usergym.cli.ng") / "shipped" / name).read_text()
