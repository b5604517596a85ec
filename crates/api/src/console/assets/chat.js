// The chat page: streams answers, shows what each one cost, and keeps the conversation in this tab only.
"use strict";

const chat = document.getElementById("chat");
const talk = document.getElementById("talk");
const blank = document.getElementById("talk-empty");
const message = document.getElementById("message");
const model = document.getElementById("model");
const [send, stop, clear] = ["send", "stop", "clear"].map((id) => document.getElementById(id));
const told = chat.dataset;
const KEPT = "nunchi-chat";

let state = restore();
let underway;

function fresh() {
  return { id: Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join(""), model: "auto", said: [] };
}

function restore() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEPT));
    return Array.isArray(kept?.said) ? kept : fresh();
  } catch {
    return fresh();
  }
}

function keep() {
  try {
    sessionStorage.setItem(KEPT, JSON.stringify(state));
  } catch {
    // The tab's storage is full or off: the conversation goes on, it is only not kept.
  }
}

function element(name, kind, text) {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  if (text !== undefined) made.textContent = text;
  return made;
}

// Code and bold text become elements; everything is set as text, never as markup.
function write(target, text) {
  target.replaceChildren();
  text.split(/^```/m).forEach((piece, index) => {
    if (index % 2 === 1) {
      const pre = element("pre");
      pre.append(element("code", "", piece.replace(/^[^\n]*\n?/, "").replace(/\n$/, "")));
      target.append(pre);
      return;
    }
    const plain = index > 0 ? piece.replace(/^\n/, "") : piece;
    for (const part of plain.split(/(`[^`\n]+`|\*\*[^*\n]+\*\*)/)) {
      if (/^`[^`]+`$/.test(part)) target.append(element("code", "", part.slice(1, -1)));
      else if (/^\*\*[^*]+\*\*$/.test(part)) target.append(element("strong", "", part.slice(2, -2)));
      else if (part) target.append(part);
    }
  });
}

function draw(entry) {
  const box = element("div", `said ${entry.role === "user" ? "you" : "answer"}`);
  box.append(element("span", "visually-hidden", entry.role === "user" ? told.you : told.answer));
  const thought = element("details");
  thought.append(element("summary", "", told.thinking), element("div"));
  const text = element("div", "text");
  const facts = element("div", "facts");
  box.append(thought, text, facts);
  const update = () => {
    thought.hidden = !entry.reasoning;
    thought.lastElementChild.textContent = entry.reasoning ?? "";
    write(text, entry.text);
    facts.replaceChildren(...(entry.facts ?? []).map(([kind, fact]) => element("span", kind, fact)));
    if (entry.problem) facts.prepend(element("span", "badge bad", entry.problem));
    if (entry.hint) facts.append(element("span", "", entry.hint));
    facts.hidden = !facts.childElementCount;
  };
  update();
  talk.append(box);
  blank.hidden = true;
  return { box, update };
}

const header = (reply, name) => {
  const value = reply.headers.get(`x-nunchi-${name}`) ?? "";
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
};

// Server-sent events of a stream, as parsed JSON.
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    buffer += value;
    const lines = buffer.split(/\r?\n/);
    buffer = lines.pop();
    for (const line of lines) {
      if (line.startsWith("data:") && line.slice(5).trim() !== "[DONE]") yield JSON.parse(line.slice(5));
    }
  }
}

async function receipt(reply, entry) {
  const request = reply.headers.get("x-nunchi-request-id");
  const found = request && (await fetch(`/console/chat/receipt/${request}`).catch(() => undefined));
  if (!found?.ok) return;
  const { cost, local, saved, tokens, latency } = await found.json();
  entry.facts.push(["cost", `${cost} (${local})`], ["", tokens], ["", latency]);
  if (saved) entry.facts.push(["badge good", `${told.saved} ${saved}`]);
}

function failed(entry, error) {
  entry.problem = error?.message ?? told.failed;
  entry.hint = error?.hint;
}

async function ask(text) {
  state.said.push({ role: "user", text });
  draw(state.said.at(-1));
  const said = state.said.filter((entry) => entry.text).map(({ role, text }) => ({ role, content: text }));
  const entry = { role: "assistant", text: "", reasoning: "", facts: [] };
  state.said.push(entry);
  const { box, update } = draw(entry);
  box.classList.add("waiting");
  scrollDown();
  underway = new AbortController();
  working(true);
  let reply;
  try {
    reply = await fetch("/console/v1/chat/completions", {
      method: "POST",
      headers: { "content-type": "application/json", "x-nunchi-session": `console-${state.id}`, "x-nunchi-phase": "chat" },
      body: JSON.stringify({ model: model.value, messages: said, stream: true }),
      signal: underway.signal,
    });
    if (reply.status === 401 && !header(reply, "request-id")) return location.assign("/console/sign-in");
    entry.facts = [["badge tint", header(reply, "tier")], ["", header(reply, "model")], ["badge", header(reply, "cache")]].filter(([, fact]) => fact);
    if (!reply.ok) failed(entry, (await reply.json().catch(() => undefined))?.error);
    else await read(reply, entry, update);
  } catch (error) {
    entry.problem = error.name === "AbortError" ? told.stopped : told.failed;
  }
  box.classList.remove("waiting");
  update();
  working(false);
  if (reply?.ok) await receipt(reply, entry);
  update();
  keep();
}

async function read(reply, entry, update) {
  let due = false;
  for await (const event of events(reply.body)) {
    if (event.error) failed(entry, event.error);
    const delta = event.choices?.[0]?.delta ?? {};
    entry.text += delta.content ?? delta.refusal ?? "";
    entry.reasoning += delta.reasoning_content ?? delta.reasoning ?? "";
    // Many events may come between two pictures: one redraw serves them all.
    if (due) continue;
    due = true;
    requestAnimationFrame(() => {
      due = false;
      const low = nearEnd();
      update();
      if (low) scrollDown();
    });
  }
}

const nearEnd = () => innerHeight + scrollY > document.body.scrollHeight - 160;
const scrollDown = () => scrollTo({ top: document.body.scrollHeight });

function working(on) {
  talk.setAttribute("aria-busy", on);
  send.hidden = on;
  stop.hidden = !on;
  if (!on) {
    underway = undefined;
    message.focus();
  }
}

function grow() {
  message.style.height = "auto";
  message.style.height = `${message.scrollHeight}px`;
}

document.getElementById("ask-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = message.value.trim();
  if (!text || underway) return;
  message.value = "";
  grow();
  ask(text);
});

message.addEventListener("input", grow);
message.addEventListener("keydown", (event) => {
  // While a syllable is being composed, Enter belongs to the input method.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  message.form.requestSubmit();
});

stop.addEventListener("click", () => underway?.abort());
clear.addEventListener("click", () => {
  underway?.abort();
  state = { ...fresh(), model: model.value };
  talk.replaceChildren();
  blank.hidden = false;
  keep();
  message.focus();
});

model.addEventListener("change", () => {
  state.model = model.value;
  keep();
});

async function listModels() {
  const reply = await fetch("/console/v1/models").catch(() => undefined);
  if (!reply?.ok) return;
  const ids = (await reply.json()).data.map((entry) => entry.id).filter((id) => !/embed|encoder/i.test(id));
  model.replaceChildren(...ids.map((id) => new Option(id, id)));
  model.value = ids.includes(state.model) ? state.model : "auto";
}

state.said.forEach(draw);
if (state.said.length) scrollDown();
listModels();
