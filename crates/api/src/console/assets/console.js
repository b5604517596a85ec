// What every page needs: the theme switch, questions before something is lost, copying, tips on charts, live rows.
"use strict";

const root = document.documentElement;

// The theme is kept in a cookie so that the server can write it into the page: nothing flashes.
document.querySelector("[data-theme-switch]")?.addEventListener("click", () => {
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  const next = (root.dataset.theme ?? system) === "dark" ? "light" : "dark";
  root.dataset.theme = next;
  document.cookie = `nunchi_theme=${next}; Path=/; Max-Age=31536000; SameSite=Lax`;
});

const dialog = document.getElementById("ask");
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.dataset.ask || form.dataset.sure || !dialog) return;
  event.preventDefault();
  // The button that was pressed is part of what the form says.
  const { submitter } = event;
  dialog.querySelector("p").textContent = form.dataset.ask;
  dialog.querySelector("[value=yes]").textContent = (submitter ?? form.querySelector("button[type=submit]")).textContent;
  dialog.returnValue = "no";
  dialog.showModal();
  dialog.addEventListener(
    "close",
    () => {
      if (dialog.returnValue !== "yes") return;
      form.dataset.sure = "yes";
      form.requestSubmit(submitter);
    },
    { once: true },
  );
});

// Copies text; where the page may not use the clipboard (plain HTTP from another machine) it is selected instead.
async function copyText(text, element) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    getSelection().selectAllChildren(element);
    return document.execCommand("copy");
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  if (await copyText(source.textContent, source)) button.textContent = button.dataset.copied;
});

// A budget on every call needs no name.
for (const select of document.querySelectorAll("[data-scope]")) {
  const of = select.form.querySelector("[data-scope-of]");
  const show = () => (of.hidden = select.value === "everything");
  select.addEventListener("change", show);
  show();
}

// Tips on charts.
let tip;
document.addEventListener("pointermove", (event) => {
  const text = event.target.closest?.("[data-tip]")?.dataset.tip;
  if (!text) {
    tip?.remove();
    tip = undefined;
    return;
  }
  if (!tip) {
    tip = document.createElement("div");
    tip.className = "tip";
    document.body.append(tip);
  }
  if (tip.textContent !== text) tip.textContent = text;
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(8, Math.min(event.clientX - width / 2, innerWidth - width - 8))}px`;
  tip.style.top = `${Math.max(8, event.clientY - height - 14)}px`;
});

// Live rows. The server writes them; here they only find their place.
const status = document.querySelector("[data-live]");
if (status) {
  const body = document.getElementById("calls");
  const most = Number(status.dataset.rows);
  const label = status.querySelector("span:last-child");
  const tell = (state, text) => {
    status.classList.toggle("open", state === "open");
    status.classList.toggle("lost", state === "lost");
    label.textContent = text;
  };
  let summaryDue;
  const refreshSummary = () => {
    summaryDue ??= setTimeout(async () => {
      const reply = await fetch("/console/live/summary").catch(() => undefined);
      if (reply?.ok) document.getElementById("summary").innerHTML = await reply.text();
      summaryDue = undefined;
    }, 800);
  };
  const place = (html, fresh) => {
    const holder = document.createElement("template");
    holder.innerHTML = html;
    const row = holder.content.querySelector("tr");
    if (body.querySelector(`[data-id="${row.dataset.id}"]`)) return false;
    if (fresh) row.classList.add("new");
    body.prepend(row);
    while (body.rows.length > most) body.lastElementChild.remove();
    return true;
  };
  const source = new EventSource("/console/live/events");
  source.addEventListener("open", () => tell("open", status.dataset.open));
  source.addEventListener("error", () => tell("lost", status.dataset.lost));
  source.addEventListener("calls", (event) => {
    const placed = JSON.parse(event.data).filter((html) => place(html, true)).length;
    if (!placed) return;
    document.getElementById("no-calls").hidden = true;
    body.closest("table").hidden = false;
    refreshSummary();
  });
  // A page that is left must not keep its connection: browsers have few for a host.
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => event.persisted && location.reload());
}
