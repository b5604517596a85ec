// The OpenAI SDK for JavaScript against the running binary: chat, stream, tools, structured output, responses, errors.
import assert from "node:assert/strict";
import { spawn, execFileSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";

const { NODE_PEERS, NUNCHI_BIN, SCRIPTED_UPSTREAM_BIN } = process.env;
const { default: OpenAI } = await import(pathToFileURL(createRequire(NODE_PEERS).resolve("openai")));
const folder = () => mkdtempSync(join(tmpdir(), "nunchi-js-"));
const running = [];
let client;

const freePort = () =>
  new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });

async function startUpstreams() {
  const child = spawn(SCRIPTED_UPSTREAM_BIN, ["--all"], { stdio: ["ignore", "pipe", "inherit"] });
  running.push(child);
  const urls = {};
  for await (const line of createInterface({ input: child.stdout })) {
    const [name, url] = line.split(" ");
    urls[name] = url;
    if (Object.keys(urls).length === 5) return urls;
  }
}

async function ready(base) {
  for (let tries = 0; tries < 600; tries += 1) {
    if (await fetch(`${base}/readyz`).then((reply) => reply.ok, () => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("the server did not start");
}

// A running Nunchi: its command line, and a client.
async function startNunchi(home, more, ...flags) {
  const listen = `127.0.0.1:${await freePort()}`;
  const env = { ...process.env, ...more };
  const command = (...words) => JSON.parse(execFileSync(NUNCHI_BIN, [...words, "--home", home, "--json"], { env }));
  running.push(spawn(NUNCHI_BIN, ["up", "--home", home, "--listen", listen, ...flags], { env, stdio: "ignore" }));
  await ready(`http://${listen}`);
  const { key } = command("keys", "create", "js");
  return { command, client: new OpenAI({ baseURL: `http://${listen}/v1`, apiKey: key, maxRetries: 0 }) };
}

before(async () => {
  const urls = await startUpstreams();
  const home = folder();
  const providers = ["openai", "anthropic", "gemini", "ollama", "perplexity"].map(
    (name) => `[[providers]]\nname = "${name}"\ndialect = "${name}"\nbase_url = "${urls[name]}"\napi_key_env = "SCRIPTED_KEY"\n`,
  );
  writeFileSync(join(home, "nunchi.toml"), `[limits]\nchat_per_minute = 0\n[retry]\nattempts = 1\n${providers.join("")}`);
  ({ client } = await startNunchi(home, { SCRIPTED_KEY: "sk-scripted" }, "--offline"));
});

after(() => running.forEach((child) => child.kill("SIGTERM")));

const user = (content) => [{ role: "user", content }];
const schema = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};
const tools = [{ type: "function", function: { name: "get_weather", parameters: schema } }];

const toolModels = ["openai/gpt-5-mini", "anthropic/claude-haiku-4-5", "gemini/gemini-2.5-flash", "ollama/llama3.2"];

for (const model of [...toolModels, "perplexity/sonar"]) {
  test(`chat with ${model}`, async () => {
    const answer = await client.chat.completions.create({ model, messages: user(`say: hello ${model}`) });
    assert.equal(answer.choices[0].message.content, `hello ${model}`);
    assert.ok(answer.usage.total_tokens > 0);
  });

  test(`stream with ${model}`, async () => {
    let text = "";
    const stream = await client.chat.completions.create({ model, messages: user(`say: 흐름 ${model}`), stream: true });
    for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? "";
    assert.equal(text, `흐름 ${model}`);
  });

  test(`structured output with ${model}`, async () => {
    const format = { type: "json_schema", json_schema: { name: "place", schema, strict: true } };
    const answer = await client.chat.completions.create({ model, messages: user("a place as json"), response_format: format });
    assert.equal(typeof JSON.parse(answer.choices[0].message.content).city, "string");
  });
}

for (const model of toolModels) {
  test(`tools with ${model}`, async () => {
    const answer = await client.chat.completions.create({ model, messages: user("use the get_weather tool"), tools });
    const [call] = answer.choices[0].message.tool_calls;
    assert.equal(call.function.name, "get_weather");
    assert.deepEqual(Object.keys(JSON.parse(call.function.arguments)), ["city"]);
  });
}

test("responses, streamed", async () => {
  const stream = client.responses.stream({ model: "openai/gpt-5-mini", input: "say: from responses" });
  const final = await stream.finalResponse();
  assert.equal(final.output_text, "from responses");
});

test("citations are kept", async () => {
  const answer = await client.chat.completions.create({ model: "perplexity/sonar", messages: user("cite your sources") });
  assert.ok(answer.citations.length > 0);
});

test("embeddings", async () => {
  const answer = await client.embeddings.create({ model: "openai/text-embedding-3-small", input: ["하나", "two"] });
  assert.equal(answer.data.length, 2);
});

test("the embedded model answers, whole and as a stream, with nothing configured", async () => {
  const alone = await startNunchi(folder(), {});
  alone.command("models", "pull");
  const asked = { model: "auto", max_tokens: 40, messages: user("What is 2+2? Answer briefly.") };
  const answer = await alone.client.chat.completions.create(asked);
  assert.match(answer.choices[0].message.content, /4/);
  let pieces = 0;
  const stream = await alone.client.chat.completions.create({ ...asked, messages: user("Name three colours."), stream: true });
  for await (const chunk of stream) pieces += chunk.choices[0]?.delta?.content ? 1 : 0;
  assert.ok(pieces > 3);
});

test("errors carry our code", async () => {
  const unknown = client.chat.completions.create({ model: "nobody/knows", messages: user("hi") });
  await assert.rejects(unknown, (error) => error.status === 404 && error.code === "model.unknown");
  const limited = client.chat.completions.create({ model: "openai/gpt-5-mini", messages: user("fail 429") });
  await assert.rejects(limited, (error) => error.status === 429);
});
