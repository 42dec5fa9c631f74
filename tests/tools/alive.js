/* global Reveal, boardsOf */
// What stands on a page or a deck; alive.py asks.
const text = (part) => part.textContent;

// Which bench stands below this node.
function kindOf(root) {
  const has = (selector) => root.querySelector(selector);
  if (has(".graph-node")) return "stepper";
  if (has(".trace")) return "tracer";
  if (has(".gallery")) return "gallery";
  if (has(".bench-stage")) return "layer";
  if (has(".map-plane")) return "map";
  if (has(".sketch-pad")) return "pad";
  return text(root).includes("nn.Dropout(") ? "dropout" : "";
}

function valuesOf(root) {
  const read = (one, selector) => text(one.querySelector(selector));
  const sliders = [...root.querySelectorAll(".widget-slider")];
  return Object.fromEntries(
    sliders.map((one) => [read(one, ".widget-label"), Number(read(one, ".widget-readout"))]),
  );
}

// The grey levels of the digit on a map, or that a pad's network sees, from 0 to 255.
function digitOf(root) {
  const canvas = root.querySelector(".map-digit, .sketch-seen");
  if (!canvas) return [];
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return [...data].filter((_, at) => at % 4 === 0);
}

// A slider of ipywidgets, or that of a step, which is the browser's own.
function handle(number) {
  return document.querySelectorAll(".noUi-handle, .bench-step")[number];
}

// Where a slider stands: `ariaValueNow` has one decimal alone, and the text of a list is a word.
function nowOf({ ariaValueText: word, ariaValueNow: place }) {
  return Number.isNaN(Number(word)) ? place : word;
}

function rootOf(at) {
  let root = at.closest(".widget-vbox");
  while (!root.querySelector(".bench")) root = root.parentElement.closest(".widget-vbox");
  return root;
}

// The line of Python that makes the bench again, as its button copies it.
async function lineOf(root) {
  const button = [...root.querySelectorAll("button")].find((one) => text(one) === "Copy the bench");
  if (!button || button.hidden) return "";
  const copied = new Promise((resolve) => {
    const clipboard = { writeText: async (line) => resolve(line) };
    Object.defineProperty(navigator, "clipboard", { value: clipboard, configurable: true });
  });
  button.click();
  const line = await copied;
  await new Promise(requestAnimationFrame);
  root.querySelector(".bench-note").textContent = "";
  return line;
}

window.alive = {
  // Whether the nth slider is there to be moved: not one that the layer lacks, or in a fold.
  reachable(number) {
    let at = handle(number);
    const root = rootOf(at);
    while (at !== root && getComputedStyle(at).display !== "none") at = at.parentElement;
    return at === root;
  },

  // What the bench of the nth slider shows.
  async seen(number) {
    const at = handle(number);
    const root = rootOf(at);
    const [least, most, now] = at.matches("input")
      ? [at.min, at.max, at.value]
      : [at.ariaValueMin, at.ariaValueMax, nowOf(at)];
    const all = (selector, read) => [...root.querySelectorAll(selector)].map(read);
    return {
      kind: kindOf(root),
      id: [...document.querySelectorAll(".bench")].indexOf(root.querySelector(".bench")),
      values: valuesOf(root),
      least: Number(least),
      most: Number(most),
      now: Number(now),
      line: await lineOf(root),
      trouble: all(".bench-trouble", text)[0] ?? "",
      boards: boardsOf(root),
      status: all(".bench-status", text)[0] ?? "",
      code: all(".bench code", text)[0] ?? "",
      rows: all(".trace tbody tr", (row) => [...row.querySelectorAll("span")].map(text)),
      digit: digitOf(root),
      chances: all(".sketch-bars td:last-child", (one) => parseFloat(text(one))),
      by: all(".sketch-small", text).find((words) => words.startsWith("Computed")),
      grads: all(".grad-scroll td:last-child", text),
      selects: all("select", (one) => one.selectedOptions[0]?.text),
      picture: [
        root.innerText,
        ...all("canvas", (one) => one.toDataURL()),
        ...all("[style]", (one) => one.style.cssText),
      ].join(),
    };
  },

  // Turn a deck to the slide of the nth slider, with all that comes by key.
  turn(number) {
    const { h, v } = Reveal.getIndices(handle(number).closest(".fit").parentElement);
    Reveal.slide(h, v, 99);
  },

  drawn() {
    const views = document.querySelectorAll("script[type$='widget-view+json']").length;
    const drawn = document.querySelectorAll(".widget-subarea:has(.bench > *)").length;
    return document.readyState === "complete" && drawn === views;
  },

  async settled() {
    await document.fonts.ready;
    for (let frames = 0; frames < 3; frames++) await new Promise(requestAnimationFrame);
  },

  // What is wider than the output that it stands in, where that hides the rest.
  cut() {
    return [...document.querySelectorAll(".jp-OutputArea-child")]
      .filter((box) => box.scrollWidth > box.clientWidth + 1)
      .map((box) => text(box).trim().slice(0, 80));
  },

  // Each slide that is not seen whole, or too small to be read.
  overfull() {
    return [...document.querySelectorAll(".slides .fit")].flatMap((box) => {
      const { h, v } = Reveal.getIndices(box.parentElement);
      Reveal.slide(h, v, 99);
      const { bottom } = box.getBoundingClientRect();
      const zoom = Number(box.style.zoom || 1);
      const wide = [...box.querySelectorAll("*")].filter(
        (part) =>
          part.getBoundingClientRect().right > 1281 &&
          !part.closest("[class*=scroll]") &&
          part.offsetParent,
      );
      const fits = bottom <= 721 && wide.length === 0 && zoom >= 0.6;
      const parts = wide.map((part) => part.className);
      return fits ? [] : [`${h}/${v}: ends at ${bottom}, zoom ${zoom}, ${parts}`];
    });
  },

  buttons() {
    const after = (one) => getComputedStyle(one, "::after").content;
    const buttons = document.querySelectorAll(".widget-button, .widget-toggle-button");
    return [...buttons].map(after);
  },
};
