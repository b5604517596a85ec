// Clicks through the console of the real binary in a real Chromium.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { isFocusSeen, pageProblems } from "./look.mjs";
import { call, start } from "./server.mjs";

const PAGES = { live: "/", spend: "/console/spend", savings: "/console/savings", budgets: "/console/budgets", keys: "/console/keys", chat: "/console/chat" };
const HOSTILE = `<img src=x onerror="window.broken=1">`;
const shots = process.env.SCREENSHOT_DIR;
const errors = [];
let world;

before(async () => {
  if (shots) mkdirSync(shots, { recursive: true });
  world = await start().catch((error) => {
    // What was started would keep this process waiting.
    console.error(error);
    process.exit(1);
  });
});
after(() => world?.close());

/** A browser of its own, and a page in it whose errors are collected. */
async function visitor(options = {}) {
  const context = await world.browser.newContext({ locale: "en-US", viewport: { width: 1280, height: 860 }, colorScheme: "light", ...options });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  page.on("pageerror", (error) => errors.push(error.stack));
  page.on("console", (message) => {
    // A refused form is told by its status; the browser writes that down as an error.
    if (message.type() === "error" && !/status of 4\d\d/.test(message.text())) errors.push(message.text());
  });
  return page;
}

async function signIn(page, key = world.key) {
  await page.goto(`${world.base}/`);
  await page.locator("#key").fill(key);
  await page.locator(".sign-in button[type=submit]").click();
  return page;
}

async function administrator(options) {
  const page = await signIn(await visitor(options));
  await page.waitForURL(`${world.base}/`);
  return page;
}

const go = (page, name) => page.goto(world.base + PAGES[name]);
const shoot = async (page, name) => shots && page.screenshot({ path: join(shots, `${name}.png`) });
const rows = (page) => page.locator("#calls tr");

test("only an admin's key signs in", async () => {
  const page = await visitor();
  for (const path of Object.values(PAGES)) {
    await page.goto(world.base + path);
    assert.equal(page.url(), `${world.base}/console/sign-in`, path);
  }
  await shoot(page, "sign-in");
  await signIn(page, "nk-wrong");
  await page.getByRole("alert").filter({ hasText: "not known" }).waitFor();
  await signIn(page, world.cli("keys", "create", "plain caller").key);
  await page.getByRole("alert").filter({ hasText: "may not administer" }).waitFor();
  assert.deepEqual(await page.context().cookies(), []);
  await signIn(page);
  await page.waitForURL(`${world.base}/`);
  const [cookie] = await page.context().cookies();
  assert.deepEqual([cookie.httpOnly, cookie.sameSite, cookie.path], [true, "Strict", "/"]);
  assert.equal(await page.evaluate(() => document.cookie), "");
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.waitForURL(`${world.base}/console/sign-in`);
  await go(page, "keys");
  assert.equal(page.url(), `${world.base}/console/sign-in`);
  await page.context().close();
});

test("live rows arrive by themselves, with tier, cache verdict, reason and cost", async () => {
  const page = await administrator();
  await page.getByText("No calls yet").waitFor();
  await page.locator(".status.open").waitFor();
  await shoot(page, "live-empty");
  const question = "Explain in one sentence how a hash map handles collisions.";
  await call(world.base, world.key, question);
  const first = rows(page).first();
  await first.locator(".cache").getByText("miss").waitFor();
  assert.match(await first.locator(".cost").textContent(), /^\$0\.\d{6}$/);
  assert.match(await first.locator(".what").textContent(), /gpt-6/);
  assert.match(await first.locator(".tokens").textContent(), /^[1-9]\d* → [1-9]\d*$/);
  assert.notEqual((await first.locator(".why").textContent()).trim(), "");
  await call(world.base, world.key, question);
  await rows(page).first().getByText("exact hit").waitFor();
  assert.equal(await rows(page).first().locator(".cost").textContent(), "$0.000000");
  await call(world.base, world.key, "fail 500");
  await rows(page).first().locator(".outcome").getByText("failed").waitFor();
  assert.equal(await rows(page).count(), 4, "a failure falls over to the next model, and both tries are told");
  await page.locator("#summary").getByText("50.0%").waitFor();
  assert.match(await page.locator("#summary").textContent(), /2 failed/);
  await page.reload();
  await page.locator(".status.open").waitFor();
  assert.equal(await rows(page).count(), 4, "rows that are told again are not shown twice");
  await page.context().close();
});

test("names from outside stay text", async () => {
  const page = await administrator();
  const made = world.cli("keys", "create", HOSTILE, "--admin");
  await page.locator(".status.open").waitFor();
  await call(world.base, made.key, "say: hostile", { headers: { "x-nunchi-phase": HOSTILE, "x-nunchi-session": HOSTILE } });
  await rows(page).first().getByText("onerror").waitFor();
  for (const name of ["live", "spend", "budgets", "keys"]) {
    await go(page, name);
    assert.equal(await page.locator("img").count(), 0, name);
  }
  await go(page, "spend");
  await page.getByText(HOSTILE).first().waitFor();
  assert.equal(await page.evaluate(() => window.broken), undefined);
  await page.context().close();
});

test("the chat streams, tells what an answer cost, stops, and stays in its tab", async () => {
  const page = await administrator();
  await go(page, "chat");
  await page.getByText("Ask anything").waitFor();
  await page.locator("#model option[value='scripted/gpt-6-luna']").waitFor({ state: "attached" });
  assert.equal(await page.locator("#model").inputValue(), "auto");
  await page.locator("#message").fill("slow please");
  await page.keyboard.press("Enter");
  await page.locator(".said.answer.waiting .text").filter({ hasText: /\w/ }).waitFor();
  const early = await page.locator(".said.answer .text").textContent();
  await page.locator(".said.answer .cost").waitFor();
  const whole = await page.locator(".said.answer .text").textContent();
  assert.ok(whole.startsWith(early) && whole.length > early.length, `${early} | ${whole}`);
  assert.match(await page.locator(".said.answer .cost").textContent(), /^\$0\.\d{6} \(.*₩/);
  assert.match(await page.locator(".said.answer .facts").textContent(), /gpt-6.*miss/);
  await page.locator("#message").fill("[[turn: " + JSON.stringify({ text: `**bold** \`code\` ${HOSTILE}\n\`\`\`rust\nfn main() {}\n\`\`\`` }) + "]]");
  await page.keyboard.press("Enter");
  await page.locator(".said.answer pre code").getByText("fn main() {}").waitFor();
  assert.equal(await page.locator(".said.answer img").count(), 0);
  assert.equal(await page.locator(".said.answer strong").textContent(), "bold");
  await page.locator(".said.answer .cost").nth(1).waitFor();
  await page.locator("#message").fill("hang forever");
  await page.keyboard.press("Enter");
  await page.locator("#stop").click();
  await page.locator(".said.answer").nth(2).getByText("Stopped").waitFor();
  await page.locator("#send").waitFor();
  await page.locator("#message").fill("fail 400");
  await page.locator("#send").click();
  await page.locator(".said.answer").nth(3).locator(".badge.bad").waitFor();
  await page.reload();
  assert.equal(await page.locator(".said").count(), 8);
  await page.locator("#clear").click();
  assert.equal(await page.locator(".said").count(), 0);
  await page.reload();
  await page.getByText("Ask anything").waitFor();
  await page.context().close();
});

test("an answer is judged, and the savings page says what was not spent", async () => {
  const page = await administrator({ locale: "ko-KR" });
  await go(page, "chat");
  await converse(page, "ko-KR");
  const good = page.getByRole("button", { name: "좋은 답" });
  await good.click();
  await page.getByText("고맙습니다. 라우터가 배웁니다.").waitFor();
  assert.equal(await good.getAttribute("aria-pressed"), "true");
  await page.reload();
  assert.equal(await page.getByRole("button", { name: "좋은 답" }).getAttribute("aria-pressed"), "true", "kept with the tab");
  await page.locator("#model").selectOption("scripted/gpt-6-luna");
  await page.locator("#message").fill("say: a model that was named");
  await page.keyboard.press("Enter");
  await page.locator(".said.answer .cost").nth(1).waitFor();
  assert.equal(await page.locator(".said.answer").nth(1).locator(".thumb").count(), 0, "what nobody chose is not judged");
  await go(page, "savings");
  await page.getByRole("heading", { name: "원인별" }).waitFor();
  assert.equal(await page.locator(".bars li").count(), 7);
  assert.match(await page.locator(".bars li").nth(2).textContent(), /더 싼 모델\$0\.\d+/);
  await page.context().close();
});

test("Korean input: the Enter that ends a syllable does not send", async () => {
  const page = await administrator();
  await go(page, "chat");
  const session = await page.context().newCDPSession(page);
  await page.locator("#message").focus();
  await session.send("Input.imeSetComposition", { text: "안녕", selectionStart: 2, selectionEnd: 2 });
  await page.locator("#message").dispatchEvent("keydown", { key: "Enter", isComposing: true, bubbles: true });
  assert.equal(await page.locator(".said").count(), 0);
  await session.send("Input.insertText", { text: "안녕" });
  await page.keyboard.press("Enter");
  await page.locator(".said.you .text").getByText("안녕").waitFor();
  await page.locator(".said.answer .cost").waitFor();
  await page.context().close();
});

test("budgets are added, corrected, changed and removed", async () => {
  const page = await administrator();
  await go(page, "budgets");
  await page.getByRole("heading", { name: "daily cap" }).waitFor();
  await page.getByText("Add a budget").click();
  const form = page.locator(".add form");
  await form.getByLabel("Name", { exact: true }).fill("research");
  await form.getByLabel("Limit", { exact: true }).fill("-3");
  await form.getByLabel("Starts anew").selectOption("month");
  await form.getByLabel("Counts").selectOption("task");
  await form.getByLabel("Which one").fill("papers");
  await form.getByRole("button", { name: "Save" }).click();
  await page.getByRole("alert").filter({ hasText: "not negative" }).waitFor();
  assert.equal(await form.getByLabel("Which one").inputValue(), "papers", "what was typed is kept");
  await form.getByLabel("Limit", { exact: true }).fill("0.25");
  await form.getByRole("button", { name: "Save" }).click();
  await page.getByText("Saved.").waitFor();
  const card = page.locator(".budget").filter({ hasText: "research" });
  assert.match(await card.textContent(), /One task: papers · every month/);
  assert.match(await card.textContent(), /\$0\.2500/);
  await card.getByText("Change", { exact: true }).click();
  await card.getByLabel("Limit", { exact: true }).fill("2");
  await card.getByRole("button", { name: "Save" }).click();
  await page.getByText("Saved.").waitFor();
  const stored = world.cli("budget", "list").find(({ budget }) => budget.name === "research").budget;
  assert.deepEqual(stored.limit, { money: 2_000_000_000 });
  assert.deepEqual(stored.thresholds.map(({ percent }) => percent), [50, 75, 90, 100]);
  const again = page.locator(".budget").filter({ hasText: "research" });
  await again.getByRole("button", { name: "Remove" }).click();
  await page.locator("#ask").getByRole("button", { name: "Cancel" }).click();
  assert.equal(await again.count(), 1);
  await again.getByRole("button", { name: "Remove" }).click();
  await page.locator("#ask").getByRole("button", { name: "Remove" }).click();
  await page.getByText("Removed.").waitFor();
  assert.equal(await again.count(), 0);
  await page.context().close();
});

test("keys are made, shown once, rotated and revoked", async () => {
  const page = await administrator();
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await go(page, "keys");
  await page.getByText("Create a key").click();
  await page.getByLabel("Name", { exact: false }).first().fill("laptop");
  await page.getByLabel("Requests a minute").fill("60");
  await page.getByRole("button", { name: "Create" }).click();
  const secret = (await page.locator("#secret").textContent()).trim();
  assert.match(secret, /^nk-[\w-]{43}$/);
  await page.getByRole("button", { name: "Copy" }).click();
  await page.getByRole("button", { name: "Copied" }).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), secret);
  assert.equal((await call(world.base, secret, "say: hello")).status, 200);
  await go(page, "keys");
  assert.ok(!(await page.content()).includes(secret), "the secret is shown once");
  const row = page.locator(".keys tbody tr").filter({ hasText: "laptop" });
  assert.match(await row.textContent(), /Requests a minute: 60/);
  await row.getByRole("button", { name: "Rotate" }).click();
  await page.locator("#ask").getByRole("button", { name: "Rotate" }).click();
  await page.locator("#secret").waitFor();
  const next = (await page.locator("#secret").textContent()).trim();
  assert.notEqual(next, secret);
  assert.equal((await call(world.base, secret, "say: hello")).status, 401);
  assert.equal((await call(world.base, next, "say: hello")).status, 200);
  await row.getByRole("button", { name: "Revoke" }).click();
  await page.locator("#ask").getByRole("button", { name: "Revoke" }).click();
  await page.getByText("The key is revoked.").waitFor();
  assert.equal((await call(world.base, next, "say: hello")).status, 401);
  assert.match(await row.textContent(), /Revoked/);
  await page.context().close();
});

test("a revoked key ends its session, and its live page", async () => {
  const made = world.cli("keys", "create", "short lived", "--admin");
  const page = await signIn(await visitor(), made.key);
  await page.locator(".status.open").waitFor();
  world.cli("keys", "revoke", made.id);
  await call(world.base, world.key, "say: after the revocation");
  await page.locator(".status.lost").waitFor();
  assert.equal(await page.getByText("after the revocation").count(), 0);
  await go(page, "spend");
  assert.equal(page.url(), `${world.base}/console/sign-in`);
  await page.context().close();
});

test("forms of strangers are refused, and the cookie opens nothing else", async () => {
  const page = await administrator();
  await go(page, "budgets");
  const token = await page.locator("[name=form_token]").first().getAttribute("value");
  const [cookie] = await page.context().cookies();
  const send = (path, fields, headers) =>
    fetch(world.base + path, {
      method: "POST",
      redirect: "manual",
      headers: { cookie: `${cookie.name}=${cookie.value}`, ...headers },
      body: new URLSearchParams(fields),
    }).then((reply) => reply.status);
  const ours = { origin: world.base };
  const budget = { name: "stranger", scope: "everything", window: "day", limit: "1", unit: "usd", id: "" };
  assert.equal(await send("/console/budgets", { ...budget, form_token: token }, { origin: "https://evil.example" }), 403);
  assert.equal(await send("/console/budgets", { ...budget, form_token: token }, { ...ours, "sec-fetch-site": "cross-site" }), 403);
  assert.equal(await send("/console/budgets", { ...budget, form_token: token }, {}), 403);
  assert.equal(await send("/console/budgets", { ...budget, form_token: "0".repeat(32) }, ours), 403);
  assert.equal(await send("/console/budgets", budget, ours), 403);
  assert.equal(await send("/console/sign-in", { key: world.key }, { origin: "https://evil.example" }), 403);
  assert.equal(await send("/console/v1/chat/completions", {}, { origin: "https://evil.example" }), 403);
  assert.equal(await send("/v1/chat/completions", {}, ours), 401, "the API reads no cookie");
  assert.ok(!world.cli("budget", "list").some(({ budget }) => budget.name === "stranger"));
  assert.equal(await send("/console/budgets", { ...budget, form_token: token, extra: "x".repeat(70_000) }, ours), 413);
  await page.context().close();
});

test("theme and language are chosen, kept, and known before the page is drawn", async () => {
  const page = await administrator();
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.getByRole("button", { name: "Light or dark" }).click();
  const dark = await ground();
  assert.notEqual(dark, light);
  await go(page, "budgets");
  assert.equal(await ground(), dark);
  assert.match(await page.content(), /data-theme="dark"/);
  await page.getByRole("link", { name: "한국어" }).click();
  await page.getByRole("heading", { name: "예산", exact: true }).waitFor();
  assert.equal(page.url(), world.base + PAGES.budgets);
  assert.equal(await page.getAttribute("html", "lang"), "ko");
  await page.goto(`${world.base}/console/spend?days=7&lang=en`);
  assert.equal(page.url(), `${world.base}/console/spend?days=7`);
  await page.getByRole("heading", { name: "Spend", exact: true }).waitFor();
  await page.context().close();
  const korean = await visitor({ locale: "ko-KR", colorScheme: "dark" });
  await korean.goto(world.base);
  await korean.getByRole("heading", { name: "로그인" }).waitFor();
  assert.equal(await korean.evaluate(() => getComputedStyle(document.body).backgroundColor), dark);
  await korean.context().close();
});

for (const [device, viewport] of [["phone", { width: 375, height: 740 }], ["desktop", { width: 1280, height: 860 }]]) {
  for (const [locale, colorScheme] of [["en-US", "light"], ["en-US", "dark"], ["ko-KR", "light"], ["ko-KR", "dark"]]) {
    test(`every page fits and can be read: ${device}, ${locale}, ${colorScheme}`, async () => {
      const page = await administrator({ viewport, locale, colorScheme, reducedMotion: "reduce" });
      const name = (place) => `${place}-${device}-${locale.slice(0, 2)}-${colorScheme}`;
      for (const place of Object.keys(PAGES)) {
        await go(page, place);
        if (place === "chat") await converse(page, locale);
        await shoot(page, name(place));
        if (place === "budgets" || place === "keys") await page.locator(".add > summary").click();
        assert.deepEqual(await page.evaluate(pageProblems), [], place);
        if (place === "keys") await shoot(page, name("keys-form"));
      }
      await page.context().close();
    });
  }
}

async function converse(page, locale) {
  const question = locale === "ko-KR" ? "say: 눈치는 말하기 전에 필요한 것을 알아차리는 감각입니다." : "say: Nunchi is sensing what is needed before it is said.";
  await page.locator("#message").fill(question);
  await page.keyboard.press("Enter");
  await page.locator(".said.answer .cost").waitFor();
}

test("nothing moves about while rows arrive", async () => {
  const page = await administrator();
  await page.locator(".status.open").waitFor();
  await call(world.base, world.key, "say: first");
  await rows(page).first().waitFor();
  const places = () => page.evaluate(() => ["h1", ".tiles", "table.calls thead"].concat([1, 2, 3, 4, 5, 6, 7, 8].map((n) => `table.calls thead th:nth-child(${n})`)).map((where) => {
    const { x, y, width, height } = document.querySelector(where).getBoundingClientRect();
    return [where, x, y, width, height];
  }));
  const before = await places();
  for (const text of ["say: second", "say: second", "fail 500", "say: a longer answer, so that the tokens and the price need more room than before"]) {
    await call(world.base, world.key, text);
    await rows(page).first().waitFor();
  }
  await page.locator("#calls tr .outcome").getByText("failed").first().waitFor();
  assert.deepEqual(await places(), before);
  await page.context().close();
});

test("the keyboard alone gets everywhere", async () => {
  const page = await administrator();
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "content");
  await go(page, "budgets");
  const reached = new Set();
  for (let presses = 0; presses < 60; presses += 1) {
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(isFocusSeen), true);
    reached.add(await page.evaluate(() => document.activeElement.textContent.trim().slice(0, 24)));
  }
  for (const stop of ["Spend", "Change", "Remove", "Add a budget", "한국어"]) assert.ok(reached.has(stop), `${stop}: ${[...reached]}`);
  await page.context().close();
});

test("pages say what browsers may run and keep", async () => {
  const reply = await fetch(`${world.base}/console/sign-in`);
  const policy = reply.headers.get("content-security-policy");
  assert.match(policy, /default-src 'none'/);
  assert.ok(!policy.includes("unsafe"), policy);
  assert.equal(reply.headers.get("cache-control"), "no-store");
  assert.equal(reply.headers.get("x-frame-options"), "DENY");
  const html = await reply.text();
  const assets = [...html.matchAll(/\/console\/assets\/[\w.]+\?v=\w+/g)].map(([path]) => path);
  assert.equal(assets.length, 3);
  assert.ok(!/https?:\/\//.test(html.replaceAll("http://www.w3.org", "")), "nothing comes from elsewhere");
  for (const path of assets) {
    const asset = await fetch(world.base + path);
    assert.equal(asset.status, 200, path);
    assert.match(asset.headers.get("cache-control"), /immutable/);
    const again = await fetch(world.base + path, { headers: { "if-none-match": asset.headers.get("etag") } });
    assert.equal(again.status, 304, path);
  }
  assert.equal((await fetch(`${world.base}/console/assets/nothing.js`)).status, 404);
  assert.equal((await fetch(`${world.base}/healthz`)).headers.get("content-security-policy"), null, "the API is left as it is");
});

test("the server stops at once although a page listens", async () => {
  const page = await administrator();
  await page.locator(".status.open").waitFor();
  const begun = performance.now();
  const ended = new Promise((resolve) => world.server.once("exit", resolve));
  world.server.kill("SIGTERM");
  assert.equal(await ended, 0);
  assert.ok(performance.now() - begun < 10_000, `${performance.now() - begun} ms`);
  await page.locator(".status.lost").waitFor();
  errors.splice(0, errors.length, ...errors.filter((text) => !/ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED/.test(text)));
  await page.context().close();
});

test("nothing went wrong in any page", () => assert.deepEqual(errors, []));
