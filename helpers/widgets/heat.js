// Small tables of numbers as pictures: one byte a number, and a colour for each byte.

import { node, write } from "./base.js";

const COLOURS = { positive: [213, 94, 0], negative: [0, 114, 178] };
// From black (0) to white (255), as the digits are.
export const GREYS = Uint32Array.from(
  { length: 256 },
  (_, i) => ((255 << 24) | (i << 16) | (i << 8) | i) >>> 0,
);

// A colour for each byte, as one number (alpha, blue, green, red): nothing between tiles (0), then
// from the largest negative (2) to the largest positive number (254) by way of the page's own paper
// (128), and grey for what is no number.
function palette(el) {
  // Without a colour it is not yet in the page.
  const rgb = getComputedStyle(el).backgroundColor.match(/\d+/g) ?? [255, 255, 255];
  const paper = rgb.slice(0, 3).map(Number);
  return Uint32Array.from({ length: 256 }, (_, i) => {
    const hue = i < 128 ? COLOURS.negative : COLOURS.positive,
      share = Math.min(Math.abs(i - 128) / 126, 1) ** 0.6; // so that small ones show
    const [r, g, b] =
      i === 255 ? [128, 128, 128] : paper.map((part, k) => part + (hue[k] - part) * share);
    return i && ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
  });
}

// Python sends bytes as base64, which survives in exported pages.
export const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

export function paint(canvas, rows, columns, numbers, colours) {
  if (canvas.width !== columns || canvas.height !== rows)
    Object.assign(canvas, { width: columns, height: rows });
  const context = canvas.getContext("2d"),
    image = context.createImageData(columns, rows);
  const pixels = new Uint32Array(image.data.buffer); // at once: four bytes each take a frame
  numbers.forEach((byte, i) => {
    pixels[i] = colours[byte];
  });
  context.putImageData(image, 0, 0);
}

// Pictures of one size side by side, each under its name, `side` pixels wide at the most.
class Strip {
  constructor() {
    this.element = node("div", { class: "strip" });
    this.tiles = [];
  }

  draw(names, rows, columns, bytes, colours, side = 84) {
    while (this.tiles.length < names.length) {
      const name = node("span"),
        canvas = node("canvas", { role: "img", class: "heat" });
      const element = this.element.appendChild(node("div", {}, name, canvas));
      this.tiles.push({ name, canvas, element });
    }
    const cell = Math.max(1, Math.floor(side / Math.max(rows, columns)));
    this.tiles.forEach(({ name, canvas, element }, i) => {
      element.hidden = i >= names.length;
      if (element.hidden) return;
      write(name, names[i]);
      canvas.setAttribute("aria-label", names[i] || "picture");
      canvas.style.width = `${columns * cell}px`;
      const numbers = bytes.subarray(i * rows * columns, (i + 1) * rows * columns);
      paint(canvas, rows, columns, numbers, colours);
    });
  }
}

// Rows of pictures, each under its title, as gallery.py makes them, or with bytes for text;
// `colours` are for numbers of both signs.
export class Shelf {
  constructor(name) {
    this.element = node("div", { class: name });
    this.rows = [];
  }

  #row() {
    const title = node("h4"),
      strip = new Strip();
    const element = this.element.appendChild(node("div", {}, title, strip.element));
    return { title, strip, element };
  }

  draw(strips, colours) {
    strips.forEach(({ title, names, size: [rows, columns], pixels, signed, side }, i) => {
      const row = (this.rows[i] ??= this.#row());
      write(row.title, title);
      row.title.hidden = !title;
      const bytes = typeof pixels === "string" ? bytesOf(pixels) : pixels;
      row.strip.draw(names, rows, columns, bytes, signed ? colours : GREYS, side);
    });
    this.rows.forEach(({ element }, i) => {
      element.hidden = i >= strips.length;
    });
  }
}

// The palette of the page as it is: made anew where the theme has changed, and when `forget` was
// called, as an element that is not yet in the page has no colour.
export function themed(el) {
  let theme, colours;
  return {
    forget: () => {
      colours = undefined;
    },
    palette: () => {
      if (theme !== document.body.dataset.jpThemeName || !colours) colours = palette(el);
      theme = document.body.dataset.jpThemeName;
      return colours;
    },
  };
}

// For `live`: draw anew where the room's width changes, and let the box only grow, so that the page
// below does not jump.
export function steady(box, theme, draw, measure = () => {}) {
  let width, tallest;
  return (between) => {
    if (width !== between(0, 1, Infinity)) {
      width = between(0, 1, Infinity);
      tallest = 0;
      theme.forget();
      box.style.minHeight = "";
      measure();
      draw();
    }
    tallest = Math.max(tallest, box.offsetHeight);
    box.style.minHeight = `${tallest}px`;
  };
}
