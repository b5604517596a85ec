// Questions to the owner: answered from the keyboard, counted down, and on their own page kept up to date.
"use strict";

const page = document.getElementById("questions");
const questions = () => [...document.querySelectorAll("[data-question]")];
const isWriting = () => document.activeElement?.matches("input:not([type=checkbox]), textarea, select");

// The one that keys speak of: chosen by j and k, or because something in it has the focus.
const chosen = () => document.activeElement?.closest("[data-question]");
const choose = (step) => {
  const all = questions();
  const at = all.indexOf(chosen());
  const next = all[at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + step, 0), all.length - 1)];
  next?.focus({ preventScroll: true });
  next?.scrollIntoView({ block: "nearest" });
};
const press = (answer) => chosen()?.querySelector(`button[name=answer][value=${answer}]:not([disabled])`)?.click();
const KEYS = { j: () => choose(1), k: () => choose(-1), a: () => press("approve"), d: () => press("deny") };

document.addEventListener("keydown", (event) => {
  // While Korean is being typed, a key's letter is another; its place on the board is the same.
  const key = event.code?.startsWith("Key") ? event.code.slice(3).toLowerCase() : event.key;
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat || isWriting() || document.querySelector("dialog[open]")) return;
  if (!KEYS[key] || !questions().length) return;
  event.preventDefault();
  KEYS[key]();
});

// In its last hour a question tells the seconds; after it, that it is too late.
const tick = () => {
  for (const time of document.querySelectorAll("time[data-expires]")) {
    const left = Math.floor((Date.parse(time.dateTime) - Date.now()) / 1000);
    if (left >= 3600) continue;
    const clock = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    time.textContent = left > 0 ? time.dataset.expires.replace("%s", clock) : time.dataset.late;
    time.classList.toggle("soon", left < 300);
    if (left > 0) continue;
    for (const button of time.closest("[data-question]").querySelectorAll("button")) button.disabled = true;
  }
};
tick();
setInterval(tick, 1000);

// The page of all questions takes in new ones, and lets go of what was answered elsewhere, unless somebody is writing.
if (page) {
  let due;
  const refresh = async () => {
    due = undefined;
    const reply = await fetch(location.pathname).catch(() => undefined);
    if (!reply?.ok) return;
    const fresh = new DOMParser().parseFromString(await reply.text(), "text/html").getElementById("questions");
    const ids = (root) => [...root.querySelectorAll("[data-question]")].map((question) => question.dataset.question).join();
    const written = [...page.querySelectorAll("input[name=reason], textarea")].some((field) => field.value);
    if (!fresh || ids(fresh) === ids(page) || written || isWriting() || document.querySelector("dialog[open]")) return;
    const focused = chosen()?.id;
    page.replaceChildren(...fresh.childNodes);
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    tick();
  };
  const source = new EventSource("/console/runs/events");
  source.addEventListener("runs", () => (due ??= setTimeout(refresh, 300)));
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => event.persisted && location.reload());
}
