// The pages of runs: rows and parts that arrive by themselves. The server draws them; here they only find their place.
"use strict";

const parsed = (html) => {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  return holder.content;
};

// The list. A filtered or later page shows changes of what it has; only the plain one takes in new runs.
const listed = document.querySelector("[data-runs]");
if (listed) {
  const body = document.getElementById("runs");
  const most = Number(listed.dataset.rows);
  const tell = (state, text) => {
    listed.classList.toggle("open", state === "open");
    listed.classList.toggle("lost", state === "lost");
    listed.querySelector("span:last-child").textContent = text;
  };
  const place = (html) => {
    const row = parsed(html).querySelector("tr");
    const known = body.querySelector(`[data-id="${row.dataset.id}"]`);
    if (known) {
      if (known.outerHTML === row.outerHTML) return;
      const focused = known.contains(document.activeElement);
      known.replaceWith(row);
      if (focused) row.querySelector("a").focus({ preventScroll: true });
      return;
    }
    if (!most) return;
    row.classList.add("new");
    body.prepend(row);
    while (body.rows.length > most) body.lastElementChild.remove();
    document.getElementById("no-runs").hidden = true;
    body.closest("table").hidden = false;
  };
  const source = new EventSource("/console/runs/events");
  source.addEventListener("open", () => tell("open", listed.dataset.open));
  source.addEventListener("error", () => tell("lost", listed.dataset.lost));
  source.addEventListener("runs", (event) => JSON.parse(event.data).forEach(place));
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => event.persisted && location.reload());
}

// One run. A part is replaced when the server draws it otherwise, unless somebody is writing in it.
const run = document.getElementById("run");
if (run && run.dataset.over === undefined) {
  const drawn = new Map();
  const isBusy = (part) => part.contains(document.activeElement) && document.activeElement.matches("input, textarea, select");
  const draw = (html) => {
    for (const fresh of parsed(html).querySelectorAll("[data-part]")) {
      const name = fresh.dataset.part;
      const text = fresh.innerHTML;
      const old = run.querySelector(`[data-part="${name}"]`);
      if (!old || drawn.get(name) === text || isBusy(old)) continue;
      drawn.set(name, text);
      const open = [...old.querySelectorAll("details[open][id]")].map((details) => details.id);
      const focused = old.contains(document.activeElement) && document.activeElement.closest("details[id], [data-question]")?.id;
      old.replaceChildren(...fresh.childNodes);
      for (const id of open) document.getElementById(id)?.setAttribute("open", "");
      const again = focused && document.getElementById(focused);
      if (again) (again.querySelector(":scope > summary") ?? again).focus({ preventScroll: true });
    }
  };
  const source = new EventSource(run.dataset.events);
  source.addEventListener("parts", (event) => draw(JSON.parse(event.data)));
  source.addEventListener("text", (event) => {
    const box = run.querySelector("[data-live-text]");
    if (!box) return;
    box.closest(".live-text").hidden = false;
    box.append(JSON.parse(event.data));
  });
  source.addEventListener("end", (event) => {
    source.close();
    draw(JSON.parse(event.data));
    run.dataset.over = "";
  });
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => event.persisted && run.dataset.over === undefined && location.reload());
}

// A node of a drawing leads to its step, which opens.
const openTarget = () => {
  const step = location.hash.startsWith("#step-") && document.getElementById(location.hash.slice(1));
  if (!step) return;
  step.open = true;
  step.scrollIntoView({ block: "center" });
  step.querySelector("summary")?.focus({ preventScroll: true });
};
addEventListener("hashchange", openTarget);
document.addEventListener("click", (event) => {
  // The same step once more: the address does not change, but it opens again.
  const link = event.target.closest?.(".dag a");
  if (link?.getAttribute("href") === location.hash) openTarget();
});
openTarget();
