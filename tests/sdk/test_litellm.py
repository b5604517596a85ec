"""A LiteLLM proxy as an upstream of Nunchi, and Nunchi as an upstream of LiteLLM."""

import os
import subprocess
import sys
import time
import urllib.request

import openai
import pytest

from conftest import CONFIG, Server, clean_env, free_port, provider

PROXY = """
model_list:
  - model_name: mocked
    litellm_params: {{model: openai/gpt-5-mini, api_key: unused, mock_response: "an answer from the proxy"}}
  - model_name: through-nunchi
    litellm_params: {{model: openai/openai/gpt-5-mini, api_base: "{base}/v1", api_key: "{key}"}}
general_settings: {{master_key: sk-proxy}}
"""


@pytest.fixture(scope="module")
def pair(upstreams, tmp_path_factory):
    """Nunchi and a LiteLLM proxy, each configured as an upstream of the other."""
    port = free_port()
    home = tmp_path_factory.mktemp("litellm")
    config = CONFIG + provider("openai", "openai", upstreams["openai"])
    config += provider("litellm", "compatible", f"http://127.0.0.1:{port}/v1").replace("SCRIPTED_KEY", "PROXY_KEY")
    (home / "nunchi.toml").write_text(config)
    env = clean_env() | {"SCRIPTED_KEY": "sk-scripted", "PROXY_KEY": "sk-proxy"}
    nunchi = Server(home, env, "--offline")
    nunchi.cli("prices", "set", "litellm/mocked", "--input", "1", "--output", "2")
    proxy_config = home / "proxy.yaml"
    proxy_config.write_text(PROXY.format(base=nunchi.base, key=nunchi.key))
    log = open(home / "proxy.log", "wb")
    command = [os.environ["LITELLM_BIN"], "--config", str(proxy_config), "--host", "127.0.0.1", "--port", str(port)]
    proxy = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | {"LITELLM_LOCAL_MODEL_COST_MAP": "True"})
    wait_for(f"http://127.0.0.1:{port}/health/liveliness", proxy, home / "proxy.log")
    yield nunchi, f"http://127.0.0.1:{port}"
    proxy.kill()
    proxy.wait()
    log.close()
    nunchi.stop()


def wait_for(url, process, log):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError("the proxy did not start:\n" + log.read_text())


def test_the_proxy_as_an_upstream(pair):
    nunchi, _ = pair
    client = openai.OpenAI(base_url=nunchi.base + "/v1", api_key=nunchi.key, max_retries=0)
    messages = [{"role": "user", "content": "hello proxy"}]
    answer = client.chat.completions.create(model="litellm/mocked", messages=messages)
    assert answer.choices[0].message.content == "an answer from the proxy"
    streamed = client.chat.completions.create(
        model="litellm/mocked", messages=[{"role": "user", "content": "hello stream"}], stream=True
    )
    assert "".join(c.choices[0].delta.content or "" for c in streamed if c.choices) == "an answer from the proxy"
    rows = nunchi.cli("stats", "--by", "provider", "--period", "today")
    assert "litellm" in str(rows)


def test_nunchi_as_the_proxys_upstream(pair):
    _, proxy = pair
    client = openai.OpenAI(base_url=proxy, api_key="sk-proxy", max_retries=0)
    messages = [{"role": "user", "content": "say: through both"}]
    answer = client.chat.completions.create(model="through-nunchi", messages=messages)
    assert answer.choices[0].message.content == "through both"
    streamed = client.chat.completions.create(model="through-nunchi", messages=messages, stream=True)
    assert "".join(c.choices[0].delta.content or "" for c in streamed if c.choices) == "through both"
