"""A model is named by one string; this says which server that is, and connects to it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from usergym.models.base import Model, StopRun
from usergym.models.budget import Budget, BudgetedModel
from usergym.models.prices import Prices
from usergym.models.transport import Key, Options, show


@dataclass(frozen=True, slots=True)
class Provider:
    """A kind of server."""

    base_url: str = ""
    keys: tuple[str, ...] = ()
    """Environment variables that may hold its key, the first that is set wins."""
    base_url_variable: str = ""


PROVIDERS = {
    "openai": Provider("https://api.openai.com/v1", ("OPENAI_API_KEY",), "OPENAI_BASE_URL"),
    "anthropic": Provider("https://api.anthropic.com/v1", ("ANTHROPIC_API_KEY",), "ANTHROPIC_BASE_URL"),
    "nims": Provider("https://integrate.api.nvidia.com/v1", ("NIMS_API_KEY", "NVIDIA_API_KEY"), "NIMS_BASE_URL"),
    "vllm": Provider("http://localhost:8000/v1", ("VLLM_API_KEY",), "VLLM_BASE_URL"),
    "url": Provider(keys=("USERGYM_API_KEY",)),
    "local": Provider(),
}
SAME = {"nim": "nims"}
IN_PROCESS = ("scripted", "oracle", "idle")
"""Names without a slash: agents that are no server."""


class UnknownModel(LookupError):
    """A model name that says no provider."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a model is. Holds no key."""

    name: str
    """Its name to us: `openai/gpt-4o-mini`. Prices, the cache and trajectories use it."""
    provider: str
    model: str = ""
    """Its name at the server."""
    base_url: str = ""
    keyless: bool = True
    """Whether it may be asked without a key."""


def parse(name: str, endpoint: str | None = None, base_url: str | None = None) -> Address:
    """Reads a model's name.

    `openai/M`, `anthropic/M`, `nim/M`, `vllm/M`, `local/M`, `http(s)://HOST/v1/M`, or `scripted`, `oracle`, `idle`.
    With `endpoint` (openai, nims, vllm, ...) the name goes to that endpoint unchanged. `base_url` replaces the
    endpoint's own; with it, a name whose first segment is no provider goes to it unchanged.
    Raises UnknownModel, which lists what is known.
    """
    if endpoint is not None:
        provider = SAME.get(endpoint, endpoint)
        if provider not in PROVIDERS or provider == "url":
            raise UnknownModel(f"no endpoint {endpoint!r}; there are {_known()}")
        return _at(provider, name, base_url)
    if name in IN_PROCESS:
        return Address(name, name)
    if name.startswith(("http://", "https://")):
        return _url(name)
    first, slash, rest = name.partition("/")
    provider = SAME.get(first, first)
    if slash and rest and provider in PROVIDERS and provider != "url":
        return _at(provider, rest, base_url)
    if base_url is not None and name:
        url = _checked(base_url)
        return Address(f"{show(url)}/{name}", "url", name, url)
    raise UnknownModel(
        f"model {name!r} does not begin with a provider; give PROVIDER/MODEL with one of {_known()}, "
        "or http://HOST:PORT/v1/MODEL, or name the server with --endpoint"
    )


def _known() -> str:
    return ", ".join(provider for provider in PROVIDERS if provider != "url")


def _at(provider: str, model: str, base_url: str | None) -> Address:
    if not model:
        raise UnknownModel(f"no model is named; give its name at {provider}")
    known = PROVIDERS[provider]
    if provider == "local":
        return Address(f"local/{model}", provider, model)
    url = _checked(base_url or os.environ.get(known.base_url_variable, "") or known.base_url)
    keyless = provider == "vllm" or url != known.base_url
    return Address(f"{provider}/{model}", provider, model, url, keyless)


def _checked(base_url: str) -> str:
    if not base_url.startswith(("http://", "https://")) or not _host(base_url):
        raise UnknownModel(f"base URL {show(base_url)!r} is not of the form http://HOST:PORT/v1")
    return base_url.rstrip("/")


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _url(name: str) -> Address:
    base, found, model = name.partition("/v1/")
    if not found or not model or not _host(base):
        raise UnknownModel(f"model {show(name)!r} is not of the form http://HOST:PORT/v1/MODEL")
    return Address(f"{show(base)}/v1/{model}", "url", model, f"{base}/v1")


def at_url(base_url: str, model: str) -> Address:
    """The model that a server calls `model`, whatever its name looks like. It may be asked without a key."""
    url = _checked(base_url)
    known = next((name for name, provider in PROVIDERS.items() if provider.base_url == url), "url")
    name = model if known == "url" else f"{known}/{model}"
    return Address(f"{show(url)}/{model}" if known == "url" else name, known, model, url)


def key_of(address: Address) -> Key:
    """The key from the environment. StopRun names the variable of one that is missing or cannot be sent."""
    variables = PROVIDERS[address.provider].keys
    for variable in variables:
        if value := os.environ.get(variable, "").strip():
            if not value.isascii() or not value.isprintable() or " " in value:
                raise StopRun(f"{variable} holds characters that no key has; set it again")
            return Key(variable, value)
    if variables and not address.keyless:
        raise StopRun(f"no key for {address.name}: set {' or '.join(variables)} in the environment")
    return Key(variables[0] if variables else "")


def connect(
    name: str | Address,
    endpoint: str | None = None,
    base_url: str | None = None,
    *,
    options: Options = Options(),
    budget: Budget | None = None,
    prices: Prices | None = None,
    context: int = 4096,
    parallel: int = 8,
    threads: int | None = None,
    key: Key | None = None,
    headers: Mapping[str, str] | None = None,
    send_reasoning: bool = True,
) -> Model:
    """The model called `name` (see `parse`), charged to `budget`. `context` (tokens) and `parallel` (replies at once)
    are for models in this process; `headers`, and whether earlier reasoning goes back to it, for those that are not.
    `key`: in place of one from the environment.

    Raises UnknownModel for its name, StopRun for a missing key, ValueError for a price that `budget` needs.
    """
    address = parse(name, endpoint, base_url) if isinstance(name, str) else name
    if address.provider in IN_PROCESS:
        raise UnknownModel(
            f"{name!r} is an agent of an environment, not a model that can be asked; give PROVIDER/MODEL"
        )
    if address.provider == "local":
        from usergym.models.local import LocalModel

        local = LocalModel.load(address.model, context=context, parallel=parallel, threads=threads)
        return local if budget is None else BudgetedModel(local, budget)
    key = key_of(address) if key is None else key
    if key.value and urlsplit(address.base_url).username:
        raise StopRun(
            f"{address.name}: the URL has a user and {key.variable} holds a key, and only one can be sent; drop one"
        )
    if address.provider == "anthropic":
        from usergym.models.anthropic import AnthropicModel

        return AnthropicModel(
            address.model, address.base_url, name=address.name, key=key, options=options, budget=budget, prices=prices
        )
    from usergym.models.http import OPENAI, Dialect, HttpModel

    official = address.base_url == PROVIDERS["openai"].base_url
    dialect = OPENAI if official else Dialect(send_reasoning=send_reasoning)
    hint = f"start it with `vllm serve {address.model}`" if address.provider == "vllm" else ""
    return HttpModel(
        address.model,
        address.base_url,
        name=address.name,
        key=key,
        options=options,
        dialect=dialect,
        headers=headers,
        budget=budget,
        prices=prices,
        hint=hint or "`usergym mock-llm` serves a mock to try with",
    )
