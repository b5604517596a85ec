// Servers from npm behind our client, and the inspector's command line before our server.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";

const run = promisify(execFile);
const modules = join(dirname(process.env.NODE_PEERS), "node_modules");
const node = join(modules, ".bin", "node");
const nunchi = process.env.NUNCHI_BIN;
const require = createRequire(process.env.NODE_PEERS);

const env = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !name.endsWith("_API_KEY") && name !== "OLLAMA_HOST"),
);

let home, shared, server;

/** The program of a package: the file its `bin` names. */
function program(name) {
  const about = require(join(modules, name, "package.json"));
  const file = typeof about.bin === "string" ? about.bin : Object.values(about.bin)[0];
  return join(modules, name, file);
}

async function cli(...words) {
  // What follows `--` is another program's.
  const end = words.indexOf("--");
  const flags = ["--home", home, "--json"];
  const all = end < 0 ? [...words, ...flags] : [...words.slice(0, end), ...flags, ...words.slice(end)];
  const { stdout } = await run(nunchi, all, { env, timeout: 120_000, maxBuffer: 64 << 20 });
  return JSON.parse(stdout);
}

async function failure(...words) {
  try {
    await cli(...words);
  } catch (error) {
    return JSON.parse(error.stderr.trim().split("\n").at(-1)).error;
  }
  assert.fail(`${words.join(" ")} should fail`);
}

function freePort() {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

before(async () => {
  home = await mkdtemp(join(tmpdir(), "nunchi-mcp-"));
  shared = join(await realpath(home), "shared");
  await mkdir(shared);
  await writeFile(join(shared, "hello.txt"), "hello from a file\n");
});

after(async () => {
  server?.kill();
  await rm(home, { recursive: true, force: true });
});

test("server-filesystem works through our client", async () => {
  await cli("mcp", "add", "files", "--", node, program("@modelcontextprotocol/server-filesystem"), shared);
  assert.equal((await failure("mcp", "tools", "files")).code, "mcp.untrusted");
  await cli("mcp", "remove", "files");
  await cli("mcp", "add", "files", "--trusted", "--", node, program("@modelcontextprotocol/server-filesystem"), shared);
  const looked = await cli("mcp", "tools", "files");
  assert.ok(looked.tools.length >= 10, `${looked.tools.length} tools`);
  assert.equal(looked.changes.length, looked.tools.length);
  const path = join(shared, "hello.txt");
  assert.equal((await failure("mcp", "call", "files", "read_text_file", JSON.stringify({ path }))).code, "tool.failed");
  await cli("mcp", "accept", "files");
  assert.equal((await cli("mcp", "tools", "files")).changes.length, 0);
  assert.match((await cli("mcp", "call", "files", "read_text_file", JSON.stringify({ path }))).text, /hello from a file/);
  const outside = await failure("mcp", "call", "files", "read_text_file", JSON.stringify({ path: "/etc/hostname" }));
  assert.match(outside.message, /denied/i);
  const names = (await cli("mcp", "tools")).tools.map((tool) => tool.name);
  assert.ok(names.includes("files__read_text_file"), names.join(" "));
});

test("server-everything works through our client", async () => {
  await cli("mcp", "add", "everything", "--trusted", "--", node, program("@modelcontextprotocol/server-everything"));
  await cli("mcp", "accept", "everything");
  assert.match((await cli("mcp", "call", "everything", "echo", '{"message": "안녕"}')).text, /안녕/);
  const tools = (await cli("mcp", "tools", "everything")).tools.map((tool) => tool.name);
  const sum = tools.find((name) => /sum|add/.test(name));
  assert.match((await cli("mcp", "call", "everything", sum, '{"a": 2, "b": 3}')).text, /5/);
  const image = tools.find((name) => /image/i.test(name));
  assert.match((await cli("mcp", "call", "everything", image, "{}")).text, /\[image image\/png, about \d+ bytes, not shown\]/);
});

test("the inspector's command line works against our server", async () => {
  await cli("mcp", "add", "fix", "--trusted", "--trust-hints", "--", process.env.MCP_FIXTURE_SERVER_BIN, "--stdio");
  await cli("mcp", "accept", "fix");
  await mkdir(join(home, "skills", "report"), { recursive: true });
  const skill = "---\nname: report\ndescription: Writes reports.\nmetadata:\n  nunchi-params: \"team: whose report\"\n---\nList what was done.\n";
  await writeFile(join(home, "skills", "report", "SKILL.md"), skill);
  await cli("memory", "add", "My dog is called Rex");
  const listen = `127.0.0.1:${await freePort()}`;
  server = spawn(nunchi, ["up", "--offline", "--home", home, "--listen", listen, "--json"], { env, stdio: ["ignore", "pipe", "inherit"] });
  const greeting = await new Promise((resolve) => server.stdout.once("data", (data) => resolve(JSON.parse(data))));
  const inspect = async (...words) => {
    const inspector = program("@modelcontextprotocol/inspector");
    const place = ["--server-url", `http://${listen}/mcp`, "--transport", "http"];
    const all = [inspector, "--cli", ...place, ...words, "--header", `Authorization: Bearer ${greeting.key}`];
    const { stdout } = await run(node, all, { env, timeout: 120_000, maxBuffer: 64 << 20 });
    return JSON.parse(stdout);
  };
  const { tools } = await inspect("--method", "tools/list");
  assert.ok(tools.some((tool) => tool.name === "fix__add"), JSON.stringify(tools.map((tool) => tool.name)));
  const called = await inspect("--method", "tools/call", "--tool-name", "fix__add", "--tool-arg", "a=19", "b=23");
  assert.equal(called.content[0].text, "42");
  const { prompts } = await inspect("--method", "prompts/list");
  assert.deepEqual(prompts.map((prompt) => prompt.name), ["report"]);
  const filled = await inspect("--method", "prompts/get", "--prompt-name", "report", "--prompt-args", "team=blue");
  assert.match(filled.messages[0].content.text, /= blue/);
  const { resources } = await inspect("--method", "resources/list");
  assert.deepEqual(resources.map((fact) => fact.name), ["My dog is called Rex"]);
  const read = await inspect("--method", "resources/read", "--uri", resources[0].uri);
  assert.match(read.contents[0].text, /^My dog is called Rex/);
});
