"""Starts the scripted upstreams of all five providers and Nunchi in front of them, once a session."""

import json
import os
import socket
import ssl
import subprocess
import time
import urllib.request

import pytest

NUNCHI = os.environ["NUNCHI_BIN"]
UPSTREAM = os.environ["SCRIPTED_UPSTREAM_BIN"]
UPSTREAMS = 5
DIALECTS = ["openai", "anthropic", "gemini", "ollama", "perplexity"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A running Nunchi: its address, a key, and its command line."""

    def __init__(self, home, env, *flags, authority=None):
        self.home, self.env = home, env
        listen = f"127.0.0.1:{free_port()}"
        self.base = f"{'https' if authority else 'http'}://{listen}"
        self.trust = ssl.create_default_context(cafile=authority) if authority else None
        self.log = open(home / "server.log", "wb")
        self.process = subprocess.Popen(
            [NUNCHI, "up", "--home", str(home), "--listen", listen, *flags], env=env, stdout=self.log, stderr=self.log
        )
        self.wait_ready()
        self.key = self.cli("keys", "create", "sdk")["key"]

    def wait_ready(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(self.base + "/readyz", timeout=1, context=self.trust):
                    return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("the server did not start:\n" + (self.home / "server.log").read_text())

    def cli(self, *words):
        out = subprocess.run(
            [NUNCHI, *words, "--home", str(self.home), "--json"], env=self.env, capture_output=True, text=True, timeout=60
        )
        assert out.returncode == 0, out.stderr
        return json.loads(out.stdout)

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=40)
        self.log.close()
        assert self.process.returncode == 0, (self.home / "server.log").read_text()


def clean_env():
    kept = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY") and name != "OLLAMA_HOST"}
    return kept | {"LANG": "C.UTF-8"}


@pytest.fixture(scope="session")
def upstreams():
    process = subprocess.Popen([UPSTREAM, "--all"], stdout=subprocess.PIPE, text=True)
    yield dict(process.stdout.readline().split() for _ in range(UPSTREAMS))
    process.kill()
    process.wait()


CONFIG = """
[limits]
chat_per_minute = 0

[retry]
attempts = 1

[batch]
first_poll = "100ms"
longest_poll = "200ms"
"""


def provider(name, dialect, url):
    batch = "batch = true\n" if dialect in ("openai", "anthropic") else ""
    return f'\n[[providers]]\nname = "{name}"\ndialect = "{dialect}"\nbase_url = "{url}"\napi_key_env = "SCRIPTED_KEY"\n' + batch


@pytest.fixture(scope="session")
def server(upstreams, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    config = CONFIG + "".join(provider(name, name, upstreams[name]) for name in DIALECTS)
    config += provider("openai-responses", "openai_responses", upstreams["openai"]) + 'price_from = "openai"\n'
    (home / "nunchi.toml").write_text(config)
    running = Server(home, clean_env() | {"SCRIPTED_KEY": "sk-scripted"}, "--offline")
    yield running
    running.stop()


def seen(upstreams, name):
    """What an upstream was sent, and in which way Nunchi broke its rules."""
    origin = upstreams[name].removesuffix("/v1")
    with urllib.request.urlopen(origin + "/__seen", timeout=5) as reply:
        return json.load(reply)
