"""The official Python MCP client against `/mcp` and `nunchi mcp serve`, with the tools of a server of others behind them."""

import asyncio
import os
import subprocess

import pytest
from conftest import NUNCHI, Server, clean_env
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client

CONFIG = f"""
[[mcp]]
name = "fix"
command = "{os.environ['MCP_FIXTURE_SERVER_BIN']}"
args = ["--stdio"]
trusted = true
trust_hints = true
"""


SKILL = """---
name: report
description: Writes reports.
metadata:
  nunchi-params: "team: whose report; tone=formal: how"
---
List what was done.
"""


def furnish(home):
    """A home with a server of others, a skill and something remembered."""
    (home / "nunchi.toml").write_text(CONFIG)
    (home / "skills" / "report").mkdir(parents=True)
    (home / "skills" / "report" / "SKILL.md").write_text(SKILL)
    added = [NUNCHI, "memory", "add", "My dog is called Rex", "--home", str(home)]
    subprocess.run(added, env=clean_env(), check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    home = tmp_path_factory.mktemp("mcp-home")
    furnish(home)
    running = Server(home, clean_env(), "--offline")
    running.admin = running.cli("keys", "create", "mcp", "--admin")["key"]
    running.cli("mcp", "accept", "fix")
    yield running
    running.stop()


def text(result):
    return result.content[0].text


async def use(session):
    """What every client does: begin, look, call."""
    await session.initialize()
    names = [tool.name for tool in (await session.list_tools()).tools]
    assert "fix__add" in names, names
    prompts = {prompt.name: prompt for prompt in (await session.list_prompts()).prompts}
    assert [(one.name, one.required) for one in prompts["report"].arguments] == [("team", True), ("tone", False)]
    filled = await session.get_prompt("report", {"team": "blue"})
    assert "= blue" in filled.messages[0].content.text and "= formal" in filled.messages[0].content.text
    facts = (await session.list_resources()).resources
    assert [fact.name for fact in facts] == ["My dog is called Rex"]
    found = await session.read_resource("memory://search/my%20dog")
    assert str(found.contents[0].uri) == str(facts[0].uri)
    assert (await session.read_resource(facts[0].uri)).contents[0].text.startswith("My dog is called Rex")
    result = await session.call_tool("fix__add", {"a": 40, "b": 2})
    return text(result)


async def over_http(url, key):
    async with create_mcp_http_client(headers={"Authorization": f"Bearer {key}"}) as client:
        async with streamable_http_client(url, http_client=client) as streams:
            async with ClientSession(streams[0], streams[1]) as session:
                return await use(session)


def test_over_http(gateway):
    assert asyncio.run(over_http(gateway.base + "/mcp", gateway.admin)) == "42"


def test_every_call_is_a_run(gateway):
    assert asyncio.run(over_http(gateway.base + "/mcp", gateway.admin)) == "42"
    runs = gateway.cli("runs", "list", "--origin", "mcp", "--limit", "1")
    steps = gateway.cli("runs", "show", runs[0]["id"])["steps"]
    assert [(step["tool"], step["status"]) for step in steps] == [("fix__add", "ok")]
    assert runs[0]["origin"]["client"], runs


def test_a_key_that_may_not(gateway):
    with pytest.raises(BaseException):
        asyncio.run(over_http(gateway.base + "/mcp", gateway.key))


async def over_stdio(home):
    program = StdioServerParameters(command=NUNCHI, args=["mcp", "serve", "--home", str(home)], env=clean_env())
    async with stdio_client(program) as (reading, writing):
        async with ClientSession(reading, writing) as session:
            return await use(session)


def test_over_stdio_through_the_running_server(gateway):
    assert asyncio.run(over_stdio(gateway.home)) == "42"


def test_over_stdio_without_a_server(gateway, tmp_path):
    furnish(tmp_path)
    (tmp_path / "mcp.lock.json").write_text((gateway.home / "mcp.lock.json").read_text())
    assert asyncio.run(over_stdio(tmp_path)) == "42"
