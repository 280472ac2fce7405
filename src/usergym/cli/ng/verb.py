"""Which `usergym serve` an `ng_run` is, as a line for a shell: what has no flag there stands behind it as a comment."""

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from usergym.cli.ng.command import Head
from usergym.cli.ng.policy import address_of, local_name, sends_seed
from usergym.cli.ng.servers import Block
from usergym.models.providers import PROVIDERS, Address
from usergym.models.transport import show

if TYPE_CHECKING:
    from usergym.serving.stack import Pair

NO_FLAG = (
    "openai_default_headers",
    "default_headers",
    "extra_body",
    "sampling_overrides",
    "chat_template_kwargs",
    "max_concurrent_requests",
    "drop_input_reasoning_items",
    "return_token_id_information",
)
"""Settings of a model that `usergym serve` has no flag for."""


def serve_line(
    block: Block, pairs: "Sequence[Pair]", specs: Mapping[str, str], head: Head, host: str, token: bool
) -> str:
    """Without the key, which `usergym serve` reads from the environment: the comment says which variable."""
    words = ["usergym", "serve"]
    for each in pairs:
        words += ["--env", specs[each.resources]]
    for each in pairs:
        words += ["--name", each.resources]
    comments = []
    steps = {each.max_steps for each in pairs}
    if len(steps) == 1 and (most := next(iter(steps))):
        words += ["--max-steps", str(most)]
    elif len(steps) > 1:
        comments.append("max_steps that differ")
    where = address_of(block)
    words += _model(block, where)
    if host != "127.0.0.1":
        words += ["--host", host]
    if head.host != host:
        comments.append(f"a head on {head.host}")
    if head.port != Head().port:
        words += ["--port", str(head.port)]
    if token:
        words += ["--token-variable", "USERGYM_TOKEN"]
    comments += [name for name in NO_FLAG if block.settings.get(name) not in (None, "", False, {}, [])]
    if block.name != "policy_model" or any(each.agent != f"{each.resources}_simple_agent" for each in pairs):
        comments.append("names of the model and the agents")
    if block.port() or any(each.resources_port or each.agent_port for each in pairs):
        comments.append("ports other than the head's")
    return shlex.join(words) + _comment(_key(where), comments)


def _model(block: Block, where: Address | None) -> list[str]:
    settings = block.settings
    if where is None:
        words = ["--model", f"local/{local_name(block)}"]
        for name in ("context", "parallel", "threads"):
            words += [f"--{name}", str(settings[name])] if settings.get(name) else []
        return words
    if where.provider != "url":
        words = ["--model", _usual(where.name)]
    elif where.base_url.endswith("/v1") and "/v1/" not in where.base_url:
        words = ["--model", f"{show(where.base_url)}/{where.model}"]
    else:
        words = ["--endpoint", "vllm", "--base-url", show(where.base_url), "--model", where.model]
    if settings.get("api") or str(settings.get("is_responses_native")).lower() in ("true", "1", "yes"):
        words += ["--api", str(settings.get("api") or "responses")]
    return words if sends_seed(block) else [*words, "--no-send-seed"]


def _usual(name: str) -> str:
    """As the documents write it."""
    return f"nim/{name.removeprefix('nims/')}" if name.startswith("nims/") else name


def _key(where: Address | None) -> str:
    if where is None:
        return ""
    other = where.provider == "url" and not where.base_url.endswith("/v1")
    variables = PROVIDERS["vllm" if other else where.provider].keys
    return f"a key is read from {' or '.join(variables)}"


def _comment(key: str, without: Sequence[str]) -> str:
    parts = [key] * bool(key) + [f"there is no flag for {', '.join(without)}"] * bool(without)
    return f"  # {'; '.join(parts)}" if parts else ""
