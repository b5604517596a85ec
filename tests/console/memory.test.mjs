// Memory, skills and sessions in the console of the real binary, in a real Chromium.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pageProblems } from "./look.mjs";
import { start } from "./server.mjs";

const HOSTILE = `<img src=x onerror="window.broken=1">`;
const shots = process.env.SCREENSHOT_DIR;
const errors = [];
let world;

const SKILLS = {
  "weekly-report": `---
name: weekly-report
description: Writes the weekly report of a team from its notes; use it when somebody asks what happened this week.
metadata:
  nunchi-group: writing
  nunchi-keywords: report, week, 보고서
  nunchi-cost: low
  nunchi-params: "team: whose report; tone=formal: how it sounds"
---

1. Read every note of the week.
2. Write report.md with what was done, what is open, and what needs a decision.
`,
  translate: `---
name: translate
description: 문서를 한국어와 영어로 옮깁니다. 번역을 부탁받으면 쓰세요.
metadata:
  nunchi-group: writing
---

문장을 하나씩 옮기고, 고유명사는 그대로 둡니다.
`,
  "half-done": "no front matter here\n",
};

before(async () => {
  if (shots) mkdirSync(shots, { recursive: true });
  world = await start().catch((error) => {
    // What was started would keep this process waiting.
    console.error(error);
    process.exit(1);
  });
});
after(() => world?.close());

async function administrator(options = {}) {
  const context = await world.browser.newContext({ locale: "en-US", viewport: { width: 1280, height: 860 }, colorScheme: "light", ...options });
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  page.on("pageerror", (error) => errors.push(error.stack));
  page.on("console", (message) => message.type() === "error" && !/status of 4\d\d/.test(message.text()) && errors.push(message.text()));
  await page.goto(`${world.base}/`);
  await page.locator("#key").fill(world.key);
  await page.locator(".sign-in button[type=submit]").click();
  await page.waitForURL(`${world.base}/`);
  return page;
}

const shoot = async (page, name) => shots && page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
const go = (page, place) => page.goto(`${world.base}/console/${place}`);
const api = async (method, path, body) => {
  const headers = { authorization: `Bearer ${world.key}`, "content-type": "application/json" };
  const reply = await fetch(world.base + path, { method, headers, body: body && JSON.stringify(body) });
  return { status: reply.status, body: await reply.json() };
};
const fact = (page, text) => page.locator(".facts-list li", { hasText: text });
const told = (page, text) => page.getByRole("status").filter({ hasText: text }).waitFor();

test("empty pages say what to do next", async () => {
  const page = await administrator();
  for (const [place, words] of [["memory", "Nothing remembered here"], ["skills", "nunchi skills new NAME"], ["sessions", "nunchi ask --session NAME"]]) {
    await go(page, place);
    await page.locator(".empty").getByText(words).waitFor();
    assert.deepEqual(await page.evaluate(pageProblems), [], place);
    await shoot(page, `${place}-empty`);
  }
  await page.context().close();
});

test("facts are added, put in other words, forgotten, vetoed, brought back and erased", async () => {
  const page = await administrator();
  await go(page, "memory");
  const add = async (text, topic = "") => {
    await page.locator(".add:not([open]) > summary").click();
    await page.locator(".add textarea").fill(text);
    await page.locator(".add input[name=topic]").fill(topic);
    await page.locator(".add button[type=submit]").click();
  };
  await add("The office moves to Busan in March.", "office/place");
  await told(page, "Remembered.");
  await add("우리 팀 회의는 매주 화요일 오전 10시에 합니다.");
  await told(page, "Remembered.");
  await add(`The site is ${HOSTILE} today.`);
  await told(page, "Remembered.");
  assert.equal(await page.locator("main img").count(), 0);
  await fact(page, "Busan").getByText("yours").waitFor();
  await fact(page, "Busan").locator("code").getByText("offic/plac").waitFor();
  assert.match(await page.locator(".tiles").textContent(), /Facts3/);
  await add("My password is hunter2-Xy77!pq");
  await page.getByRole("alert").filter({ hasText: /ecret/ }).waitFor();
  assert.match(await page.locator(".add textarea").inputValue(), /hunter2/, "what was typed is kept");

  await go(page, "memory");
  await fact(page, "Busan").locator(".edit > summary").click();
  await fact(page, "Busan").locator("textarea").fill("The office moves to Daegu in April.");
  await fact(page, "Busan").getByRole("button", { name: "Save" }).click();
  await told(page, "It is your word now.");
  assert.equal((await api("GET", "/api/memory")).body.filter(({ text, state }) => state === "active" && /Daegu/.test(text)).length, 1);

  await fact(page, "Daegu").getByRole("button", { name: "Forget" }).click();
  await told(page, "Forgotten.");
  assert.equal(await fact(page, "Daegu").count(), 0);
  await page.locator(".segments").getByText("Forgotten").click();
  await fact(page, "Daegu").getByRole("button", { name: "Bring back" }).click();
  await told(page, "It holds again.");
  assert.match(page.url(), /state=forgotten/, "the reader returns to the list they saw");

  await go(page, "memory");
  await fact(page, "The site is").getByRole("button", { name: "Never learn" }).click();
  await page.locator("dialog [value=yes]").click();
  await told(page, "never be learned again");
  assert.equal((await api("POST", "/api/memory", { text: `The site is ${HOSTILE} today.` })).status, 409);

  await fact(page, "Daegu").getByRole("button", { name: "Forget" }).click();
  await page.goto(`${world.base}/console/memory?state=forgotten`);
  await fact(page, "Daegu").getByRole("button", { name: "Erase" }).click();
  await page.locator("dialog [value=yes]").click();
  await told(page, "Erased for good.");
  assert.ok(!JSON.stringify((await api("GET", "/api/memory")).body).includes("Daegu"));
  await page.context().close();
});

test("facts are found by words, also Korean ones", async () => {
  const page = await administrator();
  await go(page, "memory");
  await page.locator("#q").fill("회의 언제");
  await page.keyboard.press("Enter");
  await page.waitForURL(/q=/);
  await fact(page, "화요일").waitFor();
  await page.locator("#q").fill("zeppelin");
  await page.keyboard.press("Enter");
  await page.locator(".empty").waitFor();
  await page.context().close();
});

test("skills show their catalog line, tokens, group and problems, on the page and over the API", async () => {
  for (const [name, text] of Object.entries(SKILLS)) {
    mkdirSync(join(world.home, "skills", name), { recursive: true });
    writeFileSync(join(world.home, "skills", name, "SKILL.md"), text);
  }
  const page = await administrator();
  await go(page, "skills");
  const report = page.locator("[data-skill=weekly-report]");
  await report.getByText("- weekly-report: Writes the weekly report").waitFor();
  assert.match(await report.textContent(), /about \d+ tokens/);
  await report.locator("summary").click();
  await report.locator("pre").getByText("Read every note of the week.").waitFor();
  assert.match(await report.locator(".column").textContent(), /team.*needed.*tone.*formal/);
  await page.locator("[data-skill=half-done]").getByText("broken").waitFor();
  await page.locator("[data-skill=half-done] .problem.bad").getByText("front matter").waitFor();
  assert.match(await page.locator("h2").first().textContent(), /Group: writing/);
  await shoot(page, "skills");
  const { body } = await api("GET", "/api/skills");
  assert.deepEqual(body.map(({ name, usable }) => [name, usable]), [["half-done", false], ["translate", true], ["weekly-report", true]]);
  const one = (await api("GET", "/api/skills/weekly-report")).body;
  assert.ok(one.catalog_tokens > 0 && one.catalog_tokens <= 100 && one.body_tokens > 0, JSON.stringify(one));
  assert.equal((await api("GET", "/api/skills/nothing")).status, 404);
  const caller = world.cli("keys", "create", "plain caller").key;
  assert.equal((await fetch(`${world.base}/api/skills`, { headers: { authorization: `Bearer ${caller}` } })).status, 403);
  await page.context().close();
});

test("a session shows what was said, its runs and what it cost", async () => {
  const page = await administrator();
  for (const [goal, answer] of [["What is the capital of Korea?", "Seoul."], ["그 도시의 인구는?", "약 940만 명입니다."]]) {
    await world.script({ text: answer });
    await api("POST", "/api/runs", { goal, mode: "reflexive", session: "desk/한 번 더?", wait: true });
  }
  await go(page, "sessions");
  const row = page.locator("table.runs tbody tr");
  assert.equal(await row.count(), 1);
  assert.match(await row.locator(".cost").textContent(), /^\$0\.\d+$/);
  assert.equal(await row.locator(".steps").textContent(), "2");
  await shoot(page, "sessions");
  await row.locator("a").click();
  const said = await page.locator(".talk .text").allTextContents();
  assert.deepEqual(said, ["What is the capital of Korea?", "Seoul.", "그 도시의 인구는?", "약 940만 명입니다."]);
  assert.match(await page.title(), /그 도시의 인구는/);
  await shoot(page, "session");
  await page.getByRole("link", { name: "Open the run" }).first().click();
  await page.waitForURL(/\/console\/runs\/[0-9a-f]{32}/);
  await page.goto(`${world.base}/console/sessions?id=nothing`);
  await page.getByRole("alert").waitFor();
  await page.context().close();
});

test("on a phone what is needed most is near, and the rest behind one button", async () => {
  const page = await administrator({ viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true });
  assert.equal(await page.locator(".side nav a:visible").count(), 4);
  await page.getByRole("button", { name: "More" }).click();
  await shoot(page, "phone-more");
  await page.locator("#more").getByText("Memory").click();
  await page.waitForURL(/console\/memory/);
  assert.equal(await page.locator("#more").isVisible(), false);
  await page.context().close();
});

for (const [name, options] of Object.entries({
  "": {},
  ".dark": { colorScheme: "dark" },
  ".phone": { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true },
  ".ko": { locale: "ko-KR" },
  ".ko.dark.phone": { locale: "ko-KR", colorScheme: "dark", viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true },
})) {
  test(`these pages fit and can be read${name}`, async () => {
    const page = await administrator(options);
    for (const place of ["memory", "skills", "sessions", `sessions?id=${encodeURIComponent("desk/한 번 더?")}`]) {
      await go(page, place);
      if (place === "memory") await page.locator(".edit > summary").first().click();
      if (place === "skills") await page.locator(".skill .whole > summary").first().click();
      assert.deepEqual(await page.evaluate(pageProblems), [], `${place}${name}`);
      await shoot(page, `${place.replace(/\?.*/, "-one")}${name}`);
    }
    await page.context().close();
  });
}

test("nothing went wrong in any page", () => assert.deepEqual(errors, []));
