// What every bench is made of: elements, numbers as text, the line of code, and drawing when
// something changes.

// 1,000 could be one or a thousand, so it is neither
const NUMBER = /^[-+]?(\d+([.]\d*|,\d{1,2}|,\d{4,})?|[.,]\d+)$/;
// What was typed as a number: 1/3 is one too. NaN where it is none.
export function typed(text) {
  const parts = text.split("/").map((part) => part.trim());
  const [above, below = 1] = parts.map((part) =>
    NUMBER.test(part) ? +part.replace(",", ".") : NaN,
  );
  return parts.length > 2 ? NaN : above / below;
}

export const ARROWS = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
};

export const total = (matrix) => matrix.flat().reduce((sum, value) => sum + value, 0);
export const square = (size, make) =>
  Array.from({ length: size }, (_, i) => Array.from({ length: size }, (_, j) => make(i, j)));
export const largest = (matrix) =>
  Math.max(1e-9, ...matrix.flat().filter(Number.isFinite).map(Math.abs));
export const number = (value, decimals) =>
  Number.isFinite(value) ? String(+value.toFixed(decimals) + 0) : value < 0 ? "−∞" : "";
export const brief = (value, decimals) =>
  value !== 0 && +value.toFixed(decimals) === 0 ? "≈0" : number(value, decimals);
export const decimalsFor = (columns) => (columns <= 8 ? 2 : columns <= 12 ? 1 : 0);
export const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

function dress(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export const node = (tag, attributes = {}, ...children) =>
  dress(document.createElement(tag), attributes, children);

export const shape = (tag, attributes, ...children) =>
  dress(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// The line of Python that does the same, with a button that copies it, and below it a place for
// answers to what was done.
export function codeLine() {
  const note = node("p", { role: "status", class: "bench-note" });
  const code = node("code"),
    copy = node("button", { type: "button", class: "jupyter-button" }, "Copy");
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      write(note, "Copied.");
    } catch {
      getSelection().selectAllChildren(code);
      write(note, "The line is selected: copy it with Ctrl+C or ⌘C.");
    }
  });
  return {
    line: node("div", {}, node("p", { class: "bench-code" }, code, copy), note),
    code,
    note,
  };
}

// JupyterLab's shortcuts must not take the keys that are meant for what has the focus, be it a
// cell, a list or a box.
const keepKeys = ({ target }) => target.setAttribute("data-lm-suppress-shortcuts", "true");

// The fold of ipywidgets answers to the mouse alone.
function openByKey(header) {
  const tell = () => {
    const open = header.parentElement.classList.contains("jupyter-widget-Collapse-open");
    header.setAttribute("aria-expanded", String(open));
  };
  dress(header, { tabindex: 0, role: "button" }, []);
  header.addEventListener("click", () => setTimeout(tell));
  header.addEventListener("keydown", (event) => {
    if (!["Enter", " "].includes(event.key)) return;
    event.preventDefault();
    header.click();
  });
  tell();
}

// Sliders and the buttons of a player have no names of their own for those who do not see them.
function nameControls(whole) {
  whole.addEventListener("focusin", keepKeys);
  for (const slider of whole.querySelectorAll(".widget-slider")) {
    const handle = slider.querySelector(".noUi-handle"),
      word = slider.querySelector(".widget-label").textContent;
    handle?.setAttribute("aria-label", word);
  }
  for (const player of whole.querySelectorAll(".widget-play")) {
    const [play, stop] = player.querySelectorAll("button");
    Object.assign(play, { title: "Play or pause" });
    Object.assign(stop, { title: "Back to the start" });
  }
  const folds = whole.querySelectorAll(".jupyter-widget-Collapse-header:not([tabindex])");
  folds.forEach(openByKey);
}

export const RESTARTED = "The kernel was restarted: run the cell again.";

// Tell when the kernel of a bench has been restarted and no longer knows it. Returns what ends it.
export function onRestart(model, el, tell) {
  // a page that never had a kernel bears the mark too, but hears of no change
  const look = () => el.closest(".jupyter-widgets-disconnected") && tell();
  const heard = () => setTimeout(look); // the mark is set a moment later
  model.on("comm_live_update", heard);
  return () => model.off("comm_live_update", heard);
}

// Draw now, whenever one of the named values of the model or the theme changes, and fit the boards
// whenever the room does. Returns what ends it. All the changes that one key press brings make one
// drawing.
export function live(model, el, names, draw, fit) {
  el.classList.add("bench");
  let waiting = false;
  const redraw = () => {
    if (waiting) return;
    waiting = true;
    queueMicrotask(() => {
      waiting = false;
      draw();
    });
  };
  const room = new ResizeObserver(([entry]) => {
    const { width } = entry.contentRect;
    nameControls(el.closest(".widget-vbox") ?? el);
    // else it is hidden
    if (width) fit((low, share, high) => Math.min(Math.max(share * width, low), high));
  });
  const theme = new MutationObserver(redraw); // pictures are painted on the page's own paper
  names.forEach((name) => model.on(`change:${name}`, redraw));
  draw();
  room.observe(el);
  theme.observe(document.body, { attributeFilter: ["data-jp-theme-name"] });
  return () => {
    room.disconnect();
    theme.disconnect();
    names.forEach((name) => model.off(`change:${name}`, redraw));
  };
}
