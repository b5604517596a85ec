// Looks at a page as a careful reader would: does it fit, can every text be told from its ground, has every control a name.

/** Runs inside the page; tells every problem found. */
export function pageProblems() {
  const problems = [];
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) problems.push(`scrolls sideways: ${document.documentElement.scrollWidth} > ${width}`);

  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const channels = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = ([red, green, blue]) => {
    const linear = [red, green, blue].map((value) => value / 255).map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const groundOf = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = channels(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const shown = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && !element.closest(".visually-hidden, .skip, thead");
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.trim();
    if (!text || !shown(element) || element.closest("svg, option, script")) continue;
    const [ink, ground] = [channels(getComputedStyle(element).color), groundOf(element)].map(luminance);
    const contrast = (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
    if (contrast < 4.5) problems.push(`contrast ${contrast.toFixed(2)}: ${text.slice(0, 40)}`);
    const box = element.getBoundingClientRect();
    if (box.right > width + 1 && getComputedStyle(element).position !== "fixed") problems.push(`leaves the page: ${text.slice(0, 40)}`);
  }

  // The words of a drawing stand on the shape beside them.
  for (const words of document.querySelectorAll(".dag g text")) {
    const shape = words.parentElement.querySelector("rect, path");
    const [ink, ground] = [words, shape].map((element) => luminance(channels(getComputedStyle(element).fill)));
    const contrast = (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
    if (contrast < 4.5) problems.push(`contrast ${contrast.toFixed(2)} in a drawing: ${words.textContent.slice(0, 40)}`);
  }

  for (const control of document.querySelectorAll("input:not([type=hidden]), select, textarea, button, a, summary, [role=img]")) {
    if (!shown(control)) continue;
    const named = control.labels?.length || control.getAttribute("aria-label") || control.textContent.trim();
    if (!named) problems.push(`no name: ${control.outerHTML.slice(0, 80)}`);
    const box = control.getBoundingClientRect();
    const small = box.height < 24 && !["A"].includes(control.tagName) && control.type !== "radio" && !control.matches("[role=img], details.table > summary, .said summary");
    if (small) problems.push(`too small to touch (${Math.round(box.height)} px): ${control.outerHTML.slice(0, 60)}`);
  }
  if (document.querySelectorAll("h1").length !== 1) problems.push("not exactly one h1");
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  const twice = ids.filter((id, index) => ids.indexOf(id) !== index);
  if (twice.length) problems.push(`ids used twice: ${twice}`);
  return problems;
}

/** Runs inside the page with something focused by a key; tells whether the reader can see what. */
export function isFocusSeen() {
  const element = document.activeElement;
  if (element === document.body || element.id === "content") return true;
  const style = getComputedStyle(element);
  const ring = (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2) || parseFloat(style.borderWidth) >= 2;
  const shape = element.matches(".dag a") && parseFloat(getComputedStyle(element.querySelector("rect, path")).strokeWidth) >= 3;
  const composer = element.matches(".composer textarea");
  return ring || shape || composer || element.outerHTML.slice(0, 90);
}
