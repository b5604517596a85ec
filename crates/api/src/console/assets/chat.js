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
  const opinion = element("div", "opinion");
  box.append(thought, text, facts, opinion);
  const update = () => {
    thought.hidden = !entry.reasoning;
    thought.lastElementChild.textContent = entry.reasoning ?? "";
    write(text, entry.text);
    facts.replaceChildren(...(entry.facts ?? []).map(([kind, fact]) => element("span", kind, fact)));
    if (entry.problem) facts.prepend(element("span", "badge bad", entry.problem));
    if (entry.hint) facts.append(element("span", "", entry.hint));
    facts.hidden = !facts.childElementCount;
    opinion.hidden = !entry.request;
    opinion.replaceChildren(...(entry.request ? thumbs(entry, update) : []));
  };
  update();
  talk.append(box);
  blank.hidden = true;
  return { box, update };
}

function thumb() {
  const [svg, path] = ["svg", "path"].map((name) => document.createElementNS("http://www.w3.org/2000/svg", name));
  svg.setAttribute("class", "icon");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", "M7 11v9H4v-9zM7 11l4-8c1.6 0 2.5 1 2.5 2.5L13 9h6a2 2 0 0 1 2 2.3l-1.2 7A2 2 0 0 1 17.8 20H7");
  svg.append(path);
  return svg;
}

// Whether the answer was good: the router learns from it.
function thumbs(entry, update) {
  const buttons = [["good", told.good], ["bad", told.bad]].map(([rating, name]) => {
    const button = element("button", `thumb ${rating}`);
    button.append(thumb());
    button.type = "button";
    button.title = name;
    button.setAttribute("aria-label", name);
    button.setAttribute("aria-pressed", entry.rating === rating);
    button.addEventListener("click", () => rate(entry, rating, update));
    return button;
  });
  const note = element("span", entry.unrated ? "badge bad" : "note", entry.unrated ?? (entry.rating ? told.rated : ""));
  note.setAttribute("role", "status");
  return [...buttons, note];
}

async function rate(entry, rating, update) {
  const reply = await fetch("/console/api/feedback", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ request: entry.request, rating }),
  }).catch(() => undefined);
  entry.unrated = reply?.ok ? undefined : ((await reply?.json().catch(() => undefined))?.error?.message ?? told.failed);
  if (reply?.ok) entry.rating = rating;
  update();
  keep();
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
  // Only what the router or the cache decided can be judged.
  if (reply?.ok && (header(reply, "tier") || /exact|semantic/.test(header(reply, "cache")))) entry.request = header(reply, "request-id");
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
