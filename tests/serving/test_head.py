"""The head knows every server, and tells nobody's secrets."""

import asyncio
import json
import os
from typing import Any

import aiohttp
import pytest
import yaml

from tests.serving.desk import Desk, adds_up, hosting
from usergym.serving.masking import MASK, is_secret, masked
from usergym.serving.stack import Stack, build, pair


def test_a_client_of_nemo_gym_finds_every_server_through_the_head() -> None:
    async def run() -> None:
        services = build([pair(Desk(), max_steps=6), pair(Desk(), "other")], Stack(adds_up(), head_port=0))
        async with hosting(services) as urls, aiohttp.ClientSession() as client:
            async with client.get(urls["head_server"]) as answer:
                assert await answer.json() == {"status": "ok"}
            async with client.get(urls["head_server"] + "/server_instances") as answer:
                instances = {each["process_name"]: each for each in await answer.json()}
            assert list(instances) == ["policy_model", "desk", "desk_simple_agent", "other", "other_simple_agent"]
            assert instances["desk"]["url"] == urls["desk"]
            assert (instances["desk"]["server_type"], instances["desk"]["pid"]) == ("resources_servers", os.getpid())
            async with client.get(urls["head_server"] + "/global_config_dict_yaml") as answer:
                config = yaml.safe_load(json.loads(await answer.text()))
            for name, url in urls.items():
                block = config[name]
                while "port" not in block:
                    block = next(iter(block.values()))
                assert f"http://{block['host']}:{block['port']}" == url
            agent = config["desk_simple_agent"]["responses_api_agents"]["simple_agent"]
            assert agent["resources_server"] == {"type": "resources_servers", "name": "desk"}
            assert agent["max_steps"] == 6
            async with client.post(
                urls["policy_model"] + "/v1/responses", json={"input": "hi", "model": "m"}
            ) as answer:
                assert answer.status == 200

    asyncio.run(run())


def test_two_servers_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two servers are called 'desk'"):
        build([pair(Desk()), pair(Desk())], Stack(adds_up()))


@pytest.mark.parametrize(
    "name",
    [
        "api_key",
        "policy_api_key",
        "OPENAI_API_KEY",
        "token",
        "hf_token",
        "secret",
        "apikey",
        "client-secret",
        "password",
        "openai_default_headers",
        "credentials",
        "x.key",
        "auth",
        "authorization",
        "access_key_id",
        "private_key_pem",
        "x_api_key_2",
        "X-Api-Key",
        "pat",
        "secret_value",
        "client_secret_id",
        "openaiApiKey",
        "HFToken",
        "token_value",
        "access_tokens",
        "password2",
    ],
)
def test_names_of_secrets_are_known(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "max_tokens",
        "max_output_tokens",
        "num_new_tokens",
        "monkey",
        "tokenizer",
        "name",
        "keyboard",
        "max_total_tokens",
        "tokens",
        "stop_token_ids",
        "return_token_id_information",
        "author",
        "pattern",
    ],
)
def test_other_names_are_shown(name: str) -> None:
    assert not is_secret(name)


def test_a_secret_is_masked_wherever_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-the-environment")
    config: dict[str, Any] = {
        "policy_api_key": "sk-abcdef",
        "policy_base_url": "https://user:pass@example.org/v1?k=sk-abcdef",
        "model": {"args": ["--key=sk-abcdef", "sk-from-the-environment"], "key": "${policy_api_key}"},
        "openai_default_headers": {"Authorization": "Bearer abcdef"},
        "token": 12345,
        "max_tokens": 12345,
        "secret": None,
        "api_key": "???",
        "host": "127.0.0.1",
    }
    shown = masked(config)
    text = json.dumps(shown)
    assert not [secret for secret in ("sk-abcdef", "from-the-env", "user:pass", "Bearer abcdef") if secret in text]
    assert shown["policy_base_url"] == f"https://{MASK}@example.org/v1?k={MASK}"
    assert shown["model"]["key"] == "${policy_api_key}"
    assert (shown["token"], shown["max_tokens"], shown["secret"], shown["api_key"]) == (MASK, 12345, None, "???")
    assert shown["host"] == "127.0.0.1"


@pytest.mark.parametrize("name", ["api_key", "api%5Fkey", "token", "openaiApiKey"])
def test_a_key_in_the_query_of_a_url_is_masked_there_and_wherever_it_stands(name: str) -> None:
    shown = masked({"policy_base_url": f"http://h/v1?x=1&{name}=sk-abcdef&y=2#top", "note": "it is sk-abcdef"})
    assert shown == {"policy_base_url": f"http://h/v1?x=1&{name}={MASK}&y=2#top", "note": f"it is {MASK}"}


def test_the_head_serves_a_given_configuration_masked() -> None:
    async def run() -> None:
        config = {"policy_api_key": "sk-very-secret", "desk": {"resources_servers": {"desk": {"domain": "agent"}}}}
        services = build([pair(Desk())], Stack(adds_up(), head_port=0, config=config))
        async with (
            hosting(services) as urls,
            aiohttp.ClientSession() as client,
            client.get(urls["head_server"] + "/global_config_dict_yaml") as answer,
        ):
            text = await answer.text()
        assert "very-secret" not in text
        shown = yaml.safe_load(json.loads(text))
        assert shown["desk"]["resources_servers"]["desk"]["domain"] == "agent"
        assert f":{shown['desk']['resources_servers']['desk']['port']}" in urls["desk"]

    asyncio.run(run())
