"""SDKs against a server with a certificate of an authority that only they are told of."""

import subprocess
import sys

import pytest

from conftest import CONFIG, Server, clean_env, provider

ASK = """
import openai, os
client = openai.OpenAI(base_url=os.environ["BASE"] + "/v1", api_key=os.environ["KEY"], max_retries=0)
try:
    chunks = client.chat.completions.create(
        model="openai/gpt-5-mini", messages=[{"role": "user", "content": "say: over TLS"}], stream=True
    )
    print("".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices))
except openai.APIConnectionError as error:
    print("refused", error.__cause__)
"""


def openssl(folder, *words):
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def issue(folder):
    """An authority, and a certificate of it for this machine."""
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl(folder, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Test authority")
    openssl(folder, "req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names"]
    openssl(folder, "x509", "-req", "-in", "server.csr", *signed, "-out", "server.pem")


@pytest.fixture(scope="module")
def secure(upstreams, tmp_path_factory):
    home = tmp_path_factory.mktemp("tls-home")
    issue(home)
    tls = '[server]\ntls_cert = "server.pem"\ntls_key = "server.key"\n'
    (home / "nunchi.toml").write_text(tls + CONFIG + provider("openai", "openai", upstreams["openai"]))
    env = clean_env() | {"SCRIPTED_KEY": "sk-scripted"}
    running = Server(home, env, "--offline", authority=home / "ca.pem")
    yield running
    running.stop()


def ask(server, **env):
    env = clean_env() | {"BASE": server.base, "KEY": server.key} | env
    done = subprocess.run([sys.executable, "-c", ASK], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_who_knows_the_authority_is_served(secure):
    assert ask(secure, SSL_CERT_FILE=str(secure.home / "ca.pem")) == "over TLS"
    assert secure.cli("stats")["total"]["calls"] >= 1


def test_who_does_not_sends_nothing(secure):
    before = secure.cli("stats")["total"]["calls"]
    told = ask(secure)
    assert told.startswith("refused") and "certificate" in told.lower()
    assert secure.cli("stats")["total"]["calls"] == before
