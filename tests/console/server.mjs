// Starts the scripted upstream and the real binary in front of it, and a browser to look at its console.
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const { NODE_PEERS, NUNCHI_BIN, SCRIPTED_UPSTREAM_BIN } = process.env;
const { chromium } = createRequire(NODE_PEERS)("playwright-core");

async function firstLine(child) {
  for await (const line of createInterface({ input: child.stdout })) return line;
  throw new Error("the program ended without a word");
}

function cleanEnv() {
  const kept = Object.entries(process.env).filter(([name]) => !name.endsWith("_API_KEY") && name !== "OLLAMA_HOST");
  return { ...Object.fromEntries(kept), LANG: "C.UTF-8", SCRIPTED_KEY: "sk-scripted" };
}

function config(upstream) {
  return `
[server]
time_zone = "Asia/Seoul"
[tiers]
trivial = ["scripted/gpt-6-luna"]
standard = ["scripted/gpt-6-luna"]
complex = ["scripted/gpt-6.1-sol"]
baseline = "scripted/gpt-6.1-sol"
[retry]
attempts = 1
[local]
enabled = false
[[providers]]
name = "scripted"
dialect = "openai"
base_url = "${upstream}"
api_key_env = "SCRIPTED_KEY"
price_from = "openai"
models = ["gpt-6-luna", "gpt-6.1-sol"]
`;
}

/** Everything the tests need; `close` ends what was started. `more` is added to the configuration. */
export async function start(more = "") {
  const home = mkdtempSync(join(tmpdir(), "nunchi-console-"));
  const env = cleanEnv();
  const running = [];
  const stopAll = () => running.forEach((child) => child.kill("SIGTERM"));
  process.on("exit", stopAll);
  const begin = (program, words, stderr) => {
    const child = spawn(program, words, { env, stdio: ["ignore", "pipe", stderr] });
    running.push(child);
    return child;
  };
  const upstream = (await firstLine(begin(SCRIPTED_UPSTREAM_BIN, ["--openai", "127.0.0.1:0"], "inherit"))).split(" ")[1];
  writeFileSync(join(home, "nunchi.toml"), config(upstream) + more);
  const server = begin(NUNCHI_BIN, ["up", "--home", home, "--listen", "127.0.0.1:0", "--offline", "--json"], "ignore");
  const { console: page, key } = JSON.parse(await firstLine(server));
  const base = page.replace(/\/$/, "");
  const cli = (...words) => JSON.parse(execFileSync(NUNCHI_BIN, [...words, "--home", home, "--json"], { env }));
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
  });
  const close = async () => {
    await browser.close();
    const ended = Promise.all(running.map((child) => new Promise((resolve) => (child.exitCode === null ? child.on("exit", resolve) : resolve()))));
    stopAll();
    await ended;
    rmSync(home, { recursive: true, force: true });
  };
  /** What the model says next, one turn after the other, whatever it is asked. */
  const script = async (...turns) => {
    const reply = await fetch(new URL("/__script", upstream), { method: "POST", body: JSON.stringify(turns) });
    if (!reply.ok) throw new Error(await reply.text());
  };
  return { base, browser, cli, close, home, key, script, server };
}

/** One call of the API. */
export async function call(base, key, text, { headers = {}, model = "auto" } = {}) {
  const reply = await fetch(`${base}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json", ...headers },
    body: JSON.stringify({ model, messages: [{ role: "user", content: text }] }),
  });
  await reply.text();
  return reply;
}
