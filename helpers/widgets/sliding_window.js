// The sliding-window bench, for convolution and for pooling: the boards, the lines, and what the
// sliders hear.

import { NUMBER, total, number, brief, node, write, codeLine, live } from "./base.js";
import { Grid } from "./grid.js";
import { span, fits, read, weightsAt, under, products, gradientOf } from "./windows.js";
import { convolutionWords, poolingWords, leftOver } from "./window_words.js";

const PAUSE = 40; // milliseconds after a drawing until the sliders hear their new limits
const OUTSIDE = {
  convolution: "zero of the padding",
  max: "padding: −∞",
  average: "padding: a zero",
};

// For each setting the least and the largest value that keep a window inside, the others standing
// as they are.
function limits(settings, ranges) {
  return Object.entries(ranges).map(([name, [low, high]]) => {
    while (!fits({ ...settings, [name]: low })) low++;
    while (!fits({ ...settings, [name]: high })) high--;
    return [name, low, high];
  });
}

const fraction = (value) => brief(value, 2).replace(/^0[.]/, "."); // short enough for a small cell
const plain = (classes) => classes.replace("pixel", "");

// How numbers are typed into the input or the kernel; `offset()` is where its first cell stands on
// the board.
function editor(model, part, shown, offset, note) {
  const value = (row, column) => shown()[row - offset()]?.[column - offset()];
  const commit = (row, column, text) => {
    const typed = NUMBER.test(text) ? +text.replace(",", ".") : NaN;
    if (!(Math.abs(typed) <= 1e6))
      return write(
        note,
        `"${text}" is not a number up to a million; the cell keeps ${value(row, column)}.`,
      );
    // What is edited starts as what is shown, inside what was typed before at larger sizes.
    const presets = model.get(`${part}_presets`),
      own = model.get(`${part}_own`);
    const canvas = (part === "input" && presets[model.get("input_index")]) || own;
    const matrix = canvas.map((line, i) => line.map((old, j) => shown()[i]?.[j] ?? old));
    matrix[row - offset()][column - offset()] = typed;
    model.set(`${part}_own`, matrix);
    model.set(`${part}_index`, presets.length); // "my own" follows the ready-made ones
    model.save_changes();
  };
  return { value, commit };
}

// The boards, in the order in which they stand: the input, the small ones about one window, and the
// others.
function makeBoards(pooling, inputEdit, kernelEdit, visit) {
  const small = (label, edit) => new Grid(label, { largestCell: 67, edit });
  const boards = { input: new Grid("Input with its padding", { edit: inputEdit }) };
  if (pooling) {
    boards.values = small("Values in the window");
    boards.shares = small("Gradient of the window");
  } else {
    boards.kernel = small("Kernel", kernelEdit);
    boards.terms = small("Products under the window");
  }
  boards.output = new Grid("Output", { visit });
  if (pooling) boards.gradient = new Grid("Gradient of the input");
  return boards;
}

// What follows from where the window stands: its corner, what it reads, and which rows and columns
// any window reads.
function look(state, step) {
  const { starts, out, settings } = state;
  const { stride: s, dilation: d } = settings;
  const [row, column] = [Math.floor(step / out), step % out];
  const [top, left] = [row * s, column * s];
  const weighed = starts.map((i) => starts.map((j) => weightsAt(state, i, j)));
  const seen = under(state, top, left);
  const weights = weighed[row][column];
  const results = weighed.map((line, i) =>
    line.map((all, j) => total(products(under(state, starts[i], starts[j]), all))),
  );
  const reached = new Set(starts.flatMap((start) => seen.map((_, tap) => start + tap * d)));
  return { row, column, top, left, seen, weights, weighed, results, reached };
}

function drawBoards(boards, state, { row, column, top, left, seen, weights, ...all }) {
  const { settings, out, kind } = state;
  const { input_size: n, kernel_size: k, padding: p, dilation: d } = settings;
  const isTap = (i, start) => i >= start && i < start + span(settings) && (i - start) % d === 0;
  const tapped = (i, j) => kind(i, j) + (isTap(i, top) && isTap(j, left) ? " tap" : "");
  const read = (i, j) => all.reached.has(i) && all.reached.has(j);
  const missed = (i, j) => (kind(i, j) === "pixel" && !read(i, j) ? " unread" : "");
  const within = (i, j) => kind(top + i, left + j);
  const frame = [top, left, span(settings)];
  const padded = p ? `, padded to ${n + 2 * p}×${n + 2 * p}` : "";

  const marked = (i, j) => tapped(i, j) + missed(i, j);
  const current = (i, j) => (i === row && j === column ? "current" : "");
  boards.input.numbers(`Input ${n}×${n}${padded}`, state.padded, marked);
  boards.input.enclose(...frame);
  boards.kernel?.numbers(`Kernel ${k}×${k}`, weights);
  boards.terms?.numbers("Window × kernel", products(seen, weights));
  boards.values?.numbers(`Window ${k}×${k}`, seen, within);
  boards.shares?.numbers("Its gradient", weights, (i, j) => plain(within(i, j)));
  boards.output.numbers(`Output ${out}×${out}`, all.results, current);
  boards.output.select(row, column);
  const back = gradientOf(state, all.weighed);
  const bare = (i, j) => plain(tapped(i, j));
  boards.gradient?.numbers("Gradient, each output sends back 1", back, bare, fraction);
  boards.gradient?.enclose(...frame);
  Object.values(boards).forEach((board) => board.settle());
}

// The lines around the boards, by name: the sum under the small boards, the others in this order
// below all.
function makeLines(input, small) {
  const lines = { outside: node("span"), sum: node("p", { class: "bench-sum" }) };
  const legend = { tap: "in the window", pad: lines.outside, unread: "read by no window" };
  const entries = Object.entries(legend).map(([name, text]) =>
    node("span", {}, node("span", { class: `swatch ${name}` }), text),
  );
  input.panel.append(node("p", { class: "bench-legend" }, ...entries));
  small.panel.append(lines.sum);
  for (const name of ["status", "formula", "unread"])
    lines[name] = node("p", { class: `bench-${name}` });
  lines.below = [lines.status, lines.formula, lines.unread];
  lines.status.setAttribute("role", "status");
  return lines;
}

function drawLines(lines, state, { row, column, seen, weights, results, reached }) {
  const { mode, count_include_pad: zerosCount } = state.settings;
  const result = results[row][column];
  const wordsOf = mode === "convolution" ? convolutionWords : poolingWords;
  const words = wordsOf(state, seen, weights, result);
  for (const [name, text] of Object.entries(words)) write(lines[name], text);
  write(lines.unread, leftOver(state, reached));
  write(lines.outside, OUTSIDE[mode] + (mode === "average" && !zerosCount ? ", not counted" : ""));
  const place = `Step ${row * state.out + column}: output[${row}, ${column}]`;
  write(lines.status, `${place} = ${number(result, 4)}`);
}

// What the sliders need to know; jslink carries it there, with or without a kernel. A limit that
// comes late does no harm, as a window that does not fit is not drawn and its slider is sent back;
// a picture that comes late would.
function share(model, { settings, out }, step) {
  const told = { step, step_max: out ** 2 - 1 };
  for (const [name, low, high] of limits(settings, model.get("ranges")))
    Object.assign(told, { [`${name}_min`]: low, [`${name}_max`]: high });
  const news = Object.entries(told).filter(([name, value]) => model.get(name) !== value);
  news.forEach(([name, value]) => model.set(name, value));
  if (news.length) model.save_changes();
}

const TRAITS = ["mode_index", "step", "input_own", "kernel_own", "input_index", "kernel_index"];

// The boards and the lines of a bench, put into its place; `shown()` is what they show by now.
function build(model, el, shown) {
  const pooling = shown().settings.mode !== "convolution";
  const { line, code, note } = codeLine();
  const padding = () => shown().settings.padding;
  const input = editor(model, "input", () => shown().input, padding, note);
  const none = () => 0;
  const kernel = editor(model, "kernel", () => shown().kernel, none, note);
  const boards = makeBoards(pooling, input, kernel, (row, column) => {
    model.set("step", row * shown().out + column);
    model.save_changes();
  });
  const [first, one, other, ...rest] = Object.values(boards);
  const panels = (some) => some.map((board) => board.panel);
  const lines = { ...makeLines(first, other), code };
  const middle = node("div", { class: "bench-middle" }, ...panels([one, other]));
  const all = node("div", { class: "bench-panels" }, first.panel, middle, ...panels(rest));
  el.append(all, ...lines.below, line);
  const fit = (between) => {
    [first, ...rest].forEach((board) => board.fit(between(220, pooling ? 0.245 : 0.31, 340)));
    [one, other].forEach((board) => board.fit(between(150, pooling ? 0.16 : 0.2, 200)));
  };
  return { boards, lines, note, fit };
}

function render({ model, el }) {
  let state = read(model);
  let sharing;
  const { boards, lines, note, fit } = build(model, el, () => state);
  const draw = () => {
    const next = read(model);
    if (next.out < 1) return;
    state = next;
    const step = Math.min(model.get("step"), state.out ** 2 - 1);
    const seen = look(state, step);
    clearTimeout(sharing);
    sharing = setTimeout(share, PAUSE, model, state, step);
    drawBoards(boards, state, seen);
    drawLines(lines, state, seen);
    write(note, "");
  };
  const end = live(model, el, [...TRAITS, ...model.get("names")], draw, fit);
  return () => {
    clearTimeout(sharing);
    end();
  };
}

export default { render };
