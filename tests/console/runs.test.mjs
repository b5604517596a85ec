// Runs of agents in the console of the real binary, in a real Chromium: begun, watched, approved, stopped, undone, measured.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { isFocusSeen, pageProblems } from "./look.mjs";
import { start } from "./server.mjs";

const CONFIG = `
[files]
roots = ["work"]
[[permissions]]
tool = "delete_file"
verdict = "ask"
`;
const shots = process.env.SCREENSHOT_DIR;
const errors = [];
let world;

before(async () => {
  if (shots) mkdirSync(shots, { recursive: true });
  world = await start(CONFIG).catch((error) => {
    // What was started would keep this process waiting.
    console.error(error);
    process.exit(1);
  });
});
after(() => world?.close());

const file = (name) => join(world.home, "work", name);
const says = (text, more = {}) => ({ text, ...more });
const calls = (name, args, text) => ({ ...(text && { text }), tool_calls: [{ name, arguments: args }] });
const write = (path, text) => calls("write_file", { path, text });

/** A signed-in administrator's page whose errors are collected. */
async function administrator(options = {}) {
  const context = await world.browser.newContext({ locale: "en-US", viewport: { width: 1280, height: 860 }, colorScheme: "light", ...options });
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  page.on("pageerror", (error) => errors.push(error.stack));
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  await page.goto(`${world.base}/`);
  await page.locator("#key").fill(world.key);
  await page.locator(".sign-in button[type=submit]").click();
  await page.waitForURL(`${world.base}/`);
  return page;
}

const shoot = async (page, name) => shots && page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });

/** Begins a run by the box; ends on its page. */
async function begin(page, goal, mode = "reflexive") {
  await page.goto(`${world.base}/console/runs`);
  await page.locator("#goal").fill(goal);
  await page.locator("form.start select[name=mode]").selectOption(mode);
  await page.locator("form.start button[type=submit]").click();
  await page.waitForURL(/\/console\/runs\/[0-9a-f]{32}/);
}

const state = (page, name) => page.locator(".run-title .badge").getByText(name, { exact: true }).waitFor();
const step = (page, kind) => page.locator(`.water li.${kind}`);

test("a run is begun, watched as it happens, and read step by step", async () => {
  const page = await administrator();
  await page.goto(`${world.base}/console/runs`);
  await page.getByText("No runs here").waitFor();
  await shoot(page, "runs-empty");
  await world.script(write("notes.md", "# Notes\n\n- call Kim\n"), says("I wrote notes.md with one entry, as you asked.", { between_ms: 120, deltas: "words" }));
  await begin(page, "Write notes.md with a reminder to call Kim");
  await page.locator("[data-live-text]").getByText("I wrote notes.md").waitFor();
  await state(page, "done");
  assert.equal(readFileSync(file("notes.md"), "utf8"), "# Notes\n\n- call Kim\n");
  await page.locator(".answer-card .text").getByText("one entry, as you asked").waitFor();
  const tool = step(page, "tool").first();
  await tool.getByText("receipt").first().waitFor();
  await tool.locator("summary").click();
  await tool.locator(".io pre").first().getByText("notes.md").waitFor();
  assert.match(await tool.locator("code.hash").textContent(), /^[0-9a-f]{64}$/);
  assert.match(await step(page, "model").first().locator(".cost").textContent(), /^\$0\.\d{6}$/);
  const bars = await page.locator(".water svg .fill").evaluateAll((all) => all.map((bar) => [parseFloat(bar.getAttribute("x")), parseFloat(bar.getAttribute("width"))]));
  for (const [left, width] of bars) assert.ok(left >= 0 && width > 0 && left + width <= 100.1, `${left} ${width}`);
  assert.ok(bars.every(([left], index) => index === 0 || left >= bars[index - 1][0] - 0.01), "steps stand in their order");
  await shoot(page, "run");
  await page.context().close();
});

test("an undo shows what it would do before it does it, and can be taken back", async () => {
  const page = await administrator();
  await world.script(write("draft.md", "draft"), says("I wrote draft.md."));
  await begin(page, "Write draft.md");
  await state(page, "done");
  await page.getByRole("button", { name: "Undo …", exact: true }).click();
  await page.getByText("Nothing has been changed yet").waitFor();
  await page.locator(".undone li").getByText("write_file").waitFor();
  assert.ok(existsSync(file("draft.md")));
  await shoot(page, "undo");
  await page.getByRole("button", { name: "Undo now" }).click();
  await page.getByRole("heading", { name: "Undone" }).waitFor();
  assert.ok(!existsSync(file("draft.md")));
  await page.getByRole("button", { name: "Undo the undo" }).click();
  await page.getByRole("button", { name: "Do it again now" }).click();
  await page.getByRole("heading", { name: "Done again" }).waitFor();
  assert.equal(readFileSync(file("draft.md"), "utf8"), "draft");
  await page.context().close();
});

test("a call that needs approval waits, with its exact arguments, and goes on with the answer", async () => {
  const page = await administrator();
  writeFileSync(file("old.txt"), "keep me\n");
  await world.script(calls("read_file", { path: "old.txt" }), calls("delete_file", { path: "old.txt" }), says("I left old.txt where it is."));
  await begin(page, "Delete old.txt");
  await state(page, "waits for you");
  await page.locator(".question pre.arguments").getByText('"path": "old.txt"').waitFor();
  await page.goto(`${world.base}/console/approvals`);
  const question = page.locator(".question").first();
  await question.getByText("May it use delete_file?").waitFor();
  await question.locator(".diff .removed").getByText("keep me").waitFor();
  await shoot(page, "approvals");
  await question.getByPlaceholder("Reason, if you deny").fill("I still need it");
  await question.getByRole("button", { name: "Deny" }).click();
  await page.getByText("Answered. The run goes on.").waitFor();
  await page.goto(`${world.base}/console/runs`);
  await page.locator("#runs tr").first().getByText("done", { exact: true }).waitFor();
  await page.locator("#runs tr a").first().click();
  await page.locator(".answer-card .text").getByText("I left old.txt where it is.").waitFor();
  assert.equal(readFileSync(file("old.txt"), "utf8"), "keep me\n");
  await step(page, "tool").getByText("refused").first().waitFor();
  await page.context().close();
});

test("like questions are answered together", async () => {
  const page = await administrator();
  for (const name of ["a.txt", "b.txt"]) {
    writeFileSync(file(name), name);
    await world.script(calls("read_file", { path: name }), calls("delete_file", { path: name }));
    await begin(page, `Delete ${name}`);
    await state(page, "waits for you");
  }
  await page.goto(`${world.base}/console/approvals`);
  await page.getByRole("button", { name: "Approve all 2" }).click();
  await world.script(says("I deleted it."), says("I deleted it."));
  await page.locator("dialog [value=yes]").click();
  await page.getByText("Answered. The run goes on.").waitFor();
  await page.goto(`${world.base}/console/runs`);
  for (const name of ["a.txt", "b.txt"]) {
    await page.locator("#runs tr", { hasText: `Delete ${name}` }).getByText("done", { exact: true }).waitFor();
    assert.ok(!existsSync(file(name)), name);
  }
  await page.context().close();
});

const PLAN = {
  questions: [],
  nodes: [
    { id: "look", goal: "List what is in the folder", done_when: "every file is known", tools: ["list_files"], after: [] },
    { id: "sales", goal: "Summarise the sales of the quarter", done_when: "figures are named", tools: ["read_file"], after: ["look"] },
    { id: "costs", goal: "Summarise the costs of the quarter", done_when: "figures are named", tools: ["read_file"], after: ["look"] },
    { id: "report", goal: "Write report.md from both", done_when: "report.md is there", tools: ["write_file"], after: ["sales", "costs"] },
  ],
};

test("a plan is drawn as a graph of goals", async () => {
  const page = await administrator();
  await world.script(says(JSON.stringify(PLAN)), { hang: true });
  await begin(page, "Research the folder, then write report.md about sales and costs", "autonomous");
  await page.locator(".dag g.node").nth(3).waitFor();
  assert.equal(await page.locator(".dag path.edge").count(), 4);
  const [first, last] = [await page.locator("[data-node=look] rect").boundingBox(), await page.locator("[data-node=report] rect").boundingBox()];
  assert.ok(last.x > first.x + first.width, "what builds on others stands to the right of them");
  await shoot(page, "run-plan");
  await page.getByRole("button", { name: "Stop the run" }).click();
  await page.locator("dialog [value=yes]").click();
  await state(page, "cancelled");
  await page.context().close();
});

const FLOW = `
name = "tidy-up"
[nodes.list]
title = "목록 만들기"
tool = "list_files"
args = {}
next = ["sum", "note"]
[nodes.sum]
title = "Summarise what is there"
prompt = "Summarise: {{ nodes.list.text }}"
tools = []
next = "good"
[nodes.note]
title = "Write <b>note.md</b>"
tool = "write_file"
args = { path = "note.md", text = "a note of the workflow" }
[nodes.good]
if = "nodes.sum.ok"
then = "consent"
else = "sorry"
[nodes.consent]
approve = "Save the summary?"
then = "save"
[nodes.save]
tool = "write_file"
args = { path = "summary.md", text = "{{ nodes.sum.text }}" }
[nodes.sorry]
merge = "nothing to save"
`;

/** One call of the API of agents. */
const api = async (method, path, body) => {
  const headers = { authorization: `Bearer ${world.key}`, "content-type": "application/json" };
  const reply = await fetch(world.base + path, { method, headers, body: body && JSON.stringify(body) });
  const text = await reply.text();
  assert.ok(reply.ok, text);
  return JSON.parse(text);
};
const drawn = (page, id, stage) => page.locator(`.flow #node-${id}.${stage}`).waitFor();

test("a workflow is drawn live: each node where it stands, leading to its step", async () => {
  const page = await administrator();
  await world.script(says("Two files, both short."));
  const begun = await api("POST", "/api/flows", { file: "tidy.toml", text: FLOW });
  await page.goto(`${world.base}/console/runs/${begun.run_id}`);
  await drawn(page, "list", "done");
  await drawn(page, "note", "done");
  await drawn(page, "consent", "parked");
  await drawn(page, "save", "waiting");
  await drawn(page, "sorry", "skipped");
  assert.equal(await page.locator(".flow b").count(), 0, "titles stay text");
  assert.ok(await page.locator(".stages li").getByText("waits for you").isVisible());
  await shoot(page, "run-flow");
  await page.locator(".question h2").getByText("Save the summary?").waitFor();
  const within = await page.locator(".flow g").evaluateAll((nodes) => nodes.filter((node) => {
    const [shape, ...texts] = [node.querySelector("rect, path"), ...node.querySelectorAll("text")].map((part) => part.getBoundingClientRect());
    return texts.some((text) => text.left < shape.left || text.right > shape.right);
  }).map((node) => node.id));
  assert.deepEqual(within, [], "every word stands within its node");
  await page.locator(".question button.primary").click();
  await page.getByText("Answered. The run goes on.").waitFor();
  await drawn(page, "save", "done");
  await state(page, "done");
  await page.locator(".flow a", { has: page.locator("#node-save") }).click();
  const opened = page.locator(".water details[open]");
  await opened.waitFor();
  assert.match(await opened.textContent(), /summary\.md/);
  assert.equal(readFileSync(file("summary.md"), "utf8"), "Two files, both short.");
  const child = await page.locator(".flow a", { has: page.locator("#node-sum") }).getAttribute("href");
  assert.match(await page.locator(child).textContent(), /sub-agent/);
  // What is taken back is seen to be so.
  await page.getByRole("button", { name: "Undo …", exact: true }).click();
  await page.getByRole("button", { name: "Undo now" }).click();
  await page.getByRole("link", { name: "Back to the run" }).click();
  await drawn(page, "save", "undone");
  await drawn(page, "note", "undone");
  assert.ok(!existsSync(file("summary.md")));
  await page.context().close();
});

const VERDICT = JSON.stringify({
  claims: [{ claim: "notes.md has one entry", evidence: "call Kim", verdict: "supported" }],
  relevancy: { reasoning: "It does what was asked.", score: 1 },
  toxicity: { reasoning: "Nothing harmful.", score: 0 },
});

test("a run is judged, by rules for nothing and by a model, with reasons", async () => {
  const page = await administrator();
  await page.goto(`${world.base}/console/runs`);
  const row = page.locator("#runs tr", { hasText: "notes.md" }).first();
  assert.equal((await row.locator(".score").textContent()).trim(), "–");
  await row.locator("a").first().click();
  await page.getByText("Not judged yet.").waitFor();
  await page.getByRole("button", { name: "Judge by rules" }).click();
  await page.locator(".scores li", { hasText: "Safety" }).waitFor();
  assert.equal(await page.locator(".scores li").count(), 3);
  await world.script(says(VERDICT));
  await page.getByRole("button", { name: "Judge by a model" }).click();
  await page.locator(".scores li", { hasText: "Relevancy" }).getByText("It does what was asked.").waitFor();
  assert.match(await page.locator(".scores li", { hasText: "Toxicity" }).textContent(), /0 is best/);
  assert.match(await page.locator("#scores .note", { hasText: "gpt-6" }).textContent(), /\$0\.\d+/);
  await shoot(page, "run-scores");
  await page.goto(`${world.base}/console/runs`);
  assert.match(await row.locator(".score").textContent(), /^[01]\.\d\d$/);
  await page.context().close();
});

test("questions are answered from the keyboard, appear by themselves, and tell when they expire", async () => {
  const page = await administrator();
  await page.goto(`${world.base}/console/approvals`);
  await page.getByText("Nothing waits for you").waitFor();
  const asks = async (name) => {
    writeFileSync(file(name), name);
    await world.script(calls("read_file", { path: name }), calls("delete_file", { path: name }));
    const { run_id: run } = await api("POST", "/api/runs", { goal: `Delete ${name}`, mode: "reflexive", wait: true });
    await page.locator(".question", { hasText: `Delete ${name}` }).waitFor();
    return run;
  };
  const [first, second] = [await asks("one.txt"), await asks("two.txt")];
  assert.match(await page.locator(".question time").first().textContent(), /expires in 2[34] h/);
  assert.match(await page.locator(".question .note", { hasText: "Delete one.txt" }).first().textContent(), /spent so far: \$0\.\d+/);
  const chosen = () => page.evaluate(() => document.activeElement.closest("[data-question]")?.textContent ?? "");
  await page.keyboard.press("a");
  assert.equal(await page.locator(".question").count(), 2, "nothing is approved that was not chosen");
  await page.keyboard.press("j");
  assert.match(await chosen(), /Delete one\.txt/);
  await page.keyboard.press("j");
  assert.match(await chosen(), /Delete two\.txt/);
  await page.keyboard.press("j");
  assert.match(await chosen(), /Delete two\.txt/, "the last one stays chosen");
  await world.script(says("I left it."));
  await page.keyboard.press("d");
  await page.getByText("Answered. The run goes on.").waitFor();
  await page.keyboard.press("k");
  await page.locator(".question input[name=reason]").focus();
  await page.keyboard.type("a");
  assert.equal(await page.locator(".question input[name=reason]").inputValue(), "a", "what is typed is no command");
  await page.locator(".question input[name=reason]").fill("");
  await page.locator(".question").first().focus();
  await world.script(says("I deleted it."));
  await page.keyboard.press("a");
  await page.getByText("Nothing waits for you").waitFor();
  for (const run of [first, second]) {
    await page.goto(`${world.base}/console/runs/${run}`);
    await state(page, "done");
  }
  assert.ok(!existsSync(file("one.txt")) && existsSync(file("two.txt")));
  await page.context().close();
});

test("what a run reads, writes and is asked for stays text, and what cannot be seen is named", async () => {
  const page = await administrator();
  const hostile = `<script>window.broken=1</script><img src=x onerror="window.broken=1">`;
  const bidi = "pay \u202e001\u202c won\u200b";
  writeFileSync(file("evil.txt"), `${hostile}\n${"x".repeat(100_000)}\n${bidi}\n`);
  await world.script(calls("read_file", { path: "evil.txt" }, hostile), calls("delete_file", { path: "evil.txt" }, bidi));
  const { run_id: run } = await api("POST", "/api/runs", { goal: `Delete evil.txt ${bidi} ${hostile}`, mode: "reflexive", session: `s ${hostile}`, wait: true });
  for (const path of [`/console/runs/${run}`, "/console/runs", "/console/approvals", "/console/sessions", `/console/sessions?id=${encodeURIComponent(`s ${hostile}`)}`]) {
    await page.goto(world.base + path);
    await page.locator("h1").waitFor();
    for (const details of await page.locator(".water details").all()) await details.locator("summary").click();
    assert.equal(await page.locator("main img, main script").count(), 0, path);
    assert.match(await page.locator("main").textContent(), /⟨U\+202E⟩/, path);
    assert.ok(!/[\u202a-\u202e]/.test(await page.locator("main").textContent()), path);
    assert.deepEqual(await page.evaluate(pageProblems), [], path);
  }
  assert.equal(await page.evaluate(() => window.broken), undefined);
  await page.goto(`${world.base}/console/runs/${run}`);
  await world.script(says(hostile));
  await page.getByRole("button", { name: "Deny" }).click();
  await state(page, "done");
  await page.locator(".answer-card .text").getByText("onerror").waitFor();
  assert.equal(await page.locator("main img").count(), 0);
  await page.context().close();
});

test("runs are found again by state, mode and words", async () => {
  const page = await administrator();
  await page.goto(`${world.base}/console/runs`);
  const all = await page.locator("#runs tr").count();
  await page.locator(".segments").getByText("cancelled").click();
  await page.waitForURL(/status=cancelled/);
  assert.equal(await page.locator("#runs tr").count(), 1);
  await page.goto(`${world.base}/console/runs`);
  await page.locator("#q").fill("draft");
  await page.keyboard.press("Enter");
  await page.waitForURL(/q=draft/);
  assert.equal(await page.locator("#runs tr").count(), 1);
  assert.ok(all > 1);
  await page.context().close();
});

test("every focus can be seen, also in a drawing", async () => {
  const page = await administrator();
  await page.goto(`${world.base}/console/runs`);
  await page.locator("#runs tr a", { hasText: "tidy-up" }).first().click();
  await page.locator(".flow").waitFor();
  let drawn = 0;
  for (let presses = 0; presses < 40; presses += 1) {
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(isFocusSeen), true);
    drawn += await page.evaluate(() => Number(document.activeElement.matches(".dag a")));
  }
  assert.ok(drawn >= 5, `${drawn} nodes are reached`);
  await page.context().close();
});

for (const [name, options] of Object.entries({
  "": {},
  ".dark": { colorScheme: "dark" },
  ".phone": { viewport: { width: 375, height: 780 }, hasTouch: true, isMobile: true },
  ".ko": { locale: "ko-KR" },
  ".ko.phone": { locale: "ko-KR", viewport: { width: 375, height: 780 }, hasTouch: true, isMobile: true },
})) {
  test(`pages of agents are sound${name}`, async () => {
    const page = await administrator(options);
    await page.goto(`${world.base}/console/runs`);
    const write = await page.locator("#runs tr a", { hasText: "notes.md" }).first().getAttribute("href");
    const planned = await page.locator("#runs tr a", { hasText: "Research" }).first().getAttribute("href");
    const flow = await page.locator("#runs tr a", { hasText: "tidy-up" }).first().getAttribute("href");
    for (const [shot, path] of [["runs", "/console/runs"], ["run", write], ["run-plan", planned], ["run-flow", flow], ["approvals", "/console/approvals"], ["activity", "/console/activity"]]) {
      await page.goto(world.base + path);
      if (shot === "run") await page.locator(".water li.tool summary").first().click();
      assert.deepEqual(await page.evaluate(pageProblems), [], `${shot}${name}`);
      await shoot(page, `agents-${shot}${name}`);
    }
    await page.context().close();
  });
}

test("nothing went wrong in any page", () => assert.deepEqual(errors, []));
