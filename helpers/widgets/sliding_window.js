// The sliding-window bench, for convolution and for pooling. The page draws, and computes nothing but the windows and
// where they fit; Python and torch hold the truth, and tests/test_page.py compares every number shown here with theirs.

import {
  NUMBER,
  total,
  crop,
  square,
  number,
  brief,
  plural,
  node,
  write,
  codeLine,
  live,
} from "./base.js";
import { Grid } from "./grid.js";

const PAUSE = 40; // milliseconds after a drawing until the sliders hear their new limits
const OUTSIDE = {
  convolution: "zero of the padding",
  max: "padding: −∞",
  average: "padding: a zero",
};

const span = ({ kernel_size: k, dilation: d }) => d * (k - 1) + 1;
const room = (settings) => settings.input_size + 2 * settings.padding - span(settings);
const fits = (settings) =>
  room(settings) >= 0 &&
  (settings.mode === "convolution" || 2 * settings.padding <= settings.kernel_size);

function outputSize(settings) {
  const { input_size: n, stride: s, padding: p, ceil_mode = false } = settings;
  const size = Math.floor(room(settings) / s) + 1;
  return size + Number(ceil_mode && room(settings) % s > 0 && size * s < n + p);
}

// For each setting the least and the largest value that keep a window inside, the others standing as they are.
function limits(settings, ranges) {
  return Object.entries(ranges).map(([name, [low, high]]) => {
    while (!fits({ ...settings, [name]: low })) low++;
    while (!fits({ ...settings, [name]: high })) high--;
    return [name, low, high];
  });
}

// Everything the view shows follows from these few values of the model.
function read(model) {
  const settings = { dilation: 1, mode: model.get("modes")[model.get("mode_index")] };
  for (const name of model.get("names")) settings[name] = model.get(name);
  const { input_size: n, kernel_size: k, stride: s, padding: p, mode } = settings;
  const pictures = model.get("input_presets"),
    kernels = model.get("kernel_presets");
  const input = crop(pictures[model.get("input_index")] ?? model.get("input_own"), n);
  const kernel = kernels[model.get("kernel_index")]?.[k - 1] ?? crop(model.get("kernel_own"), k);
  const out = fits(settings) ? outputSize(settings) : 0;
  const starts = Array.from({ length: out }, (_, i) => i * s);
  const side = Math.max(n + 2 * p, s * (out - 1) + span(settings));
  const inside = (i) => i >= p && i < n + p,
    beyond = (i) => i >= n + 2 * p;
  const kind = (i, j) =>
    inside(i) && inside(j) ? "pixel" : beyond(i) || beyond(j) ? "beyond" : "pad";
  const around = { pad: mode === "max" ? -Infinity : 0, beyond: NaN };
  const padded = square(side, (i, j) => around[kind(i, j)] ?? input[i - p][j - p]);
  return { settings, input, kernel, padded, inside, kind, out, starts, side };
}

// What each number under the window at (top, left) weighs in the output, and so what it gets of the gradient.
function weightsAt({ settings, kernel, padded, kind }, top, left) {
  const { mode, kernel_size: k, count_include_pad: zerosCount } = settings;
  if (mode === "convolution") return kernel;
  if (mode === "max") {
    let [row, column] = [0, 0];
    square(k, (i, j) => {
      if (padded[top + i][left + j] > padded[top + row][left + column]) [row, column] = [i, j];
    });
    return square(k, (i, j) => Number(i === row && j === column));
  }
  const counts = square(
    k,
    (i, j) => ({ pixel: 1, pad: Number(zerosCount), beyond: 0 })[kind(top + i, left + j)],
  );
  const divisor = total(counts);
  return counts.map((row) => row.map((count) => count / divisor));
}

const under = ({ padded, settings: { kernel_size, dilation: d } }, top, left) =>
  square(kernel_size, (i, j) => padded[top + i * d][left + j * d]);
const products = (values, weights) =>
  values.map((row, i) => row.map((value, j) => weights[i][j] && value * weights[i][j]));

// What arrives at each number of the padded input when every output sends back 1.
function gradientOf(state, weighed) {
  const {
      starts,
      side,
      settings: { dilation: d },
    } = state,
    gradient = square(side, (i, j) => (state.kind(i, j) === "beyond" ? NaN : 0));
  starts.forEach((top, row) =>
    starts.forEach((left, column) =>
      weighed[row][column].forEach((line, i) =>
        line.forEach((weight, j) => {
          gradient[top + i * d][left + j * d] += weight;
        }),
      ),
    ),
  );
  return gradient;
}

// What the lines below the boards say of one window: its sum, the formula, and the same as a line of Python.
function convolutionWords({ settings, out }, values, weights, result) {
  const { input_size: n, kernel_size: k, stride: s, padding: p, dilation: d } = settings;
  const list = products(values, weights)
    .flat()
    .map((value) => number(value, 2))
    .join(" + ")
    .replaceAll("+ -", "− ");
  return {
    sum: `${k <= 3 ? list : `sum of ${k * k} products`} = ${number(result, 4)}`,
    formula:
      "output size = ⌊(input_size + 2·padding − dilation·(kernel_size − 1) − 1) / stride⌋ + 1\n" +
      `= ⌊(${n} + 2·${p} − ${d}·(${k} − 1) − 1) / ${s}⌋ + 1 = ${quotient(settings)} + 1 = ${out}`,
    code: `nn.Conv2d(1, 1, kernel_size=${k}, stride=${s}, padding=${p}, dilation=${d}, bias=False)`,
  };
}

function poolingWords({ settings, out }, values, weights, result) {
  const {
    input_size: n,
    kernel_size: k,
    stride: s,
    padding: p,
    mode,
    ceil_mode: ceil,
    count_include_pad: zeros,
  } = settings;
  const read = values
    .flat()
    .filter((value, i) => (mode === "max" ? value > -Infinity : weights.flat()[i] > 0));
  const equal = read.filter((value) => value === result).length,
    many = k > 3;
  const list = read
    .map((value) => number(value, 2))
    .join(mode === "max" ? ", " : " + ")
    .replaceAll("+ -", "− ");
  const size = `kernel_size=${k}, stride=${s}, padding=${p}, ceil_mode=${ceil ? "True" : "False"}`;
  const [open, close] = ceil ? "⌈⌉" : "⌊⌋",
    dropped = ceil && Math.ceil(room(settings) / s) + 1 > out;
  return {
    ...(mode === "max"
      ? {
          sum:
            `largest of ${many ? plural(read.length, "number") : list} = ${number(result, 4)}` +
            (equal > 1 ? `. ${equal} are equal: the first gets the gradient.` : ""),
          code: `nn.MaxPool2d(${size})`,
        }
      : {
          sum: `${many ? `sum of ${plural(read.length, "number")}` : `(${list})`} / ${read.length} = ${number(result, 4)}`,
          code: `nn.AvgPool2d(${size}, count_include_pad=${zeros ? "True" : "False"})`,
        }),
    formula:
      `output size = ${open}(input_size + 2·padding − kernel_size) / stride${close} + 1\n` +
      `= ${open}(${n} + 2·${p} − ${k}) / ${s}${close} + 1 = ${quotient(settings)} + 1${dropped ? " − 1" : ""} = ${out}` +
      (dropped ? ", as the last window would start in the padding at the end and is dropped" : ""),
  };
}

// The fraction in its floor or ceiling, where it is one.
function quotient(settings) {
  const exact = room(settings) / settings.stride,
    [open, close] = settings.ceil_mode ? "⌈⌉" : "⌊⌋";
  return Number.isInteger(exact) ? String(exact) : `${open}${number(exact, 2)}${close}`;
}

// Where the last window ends, and which pixels no window reads.
function leftOver({ settings, out, inside }, reached) {
  const { input_size: n, stride: s } = settings,
    over = s * (out - 1) - room(settings);
  const place = over
    ? `${plural(Math.abs(over), "pixel")} ${over > 0 ? "beyond" : "before"}`
    : "at";
  return (
    `${room(settings)} / ${s} leaves ${room(settings) % s}: the last window ends ${place} the edge of the padded input. ` +
    `${n * n - [...reached].filter(inside).length ** 2} of ${n * n} input pixels are read by no window.`
  );
}

const fraction = (value) => brief(value, 2).replace(/^0[.]/, "."); // short enough for a small cell
const plain = (classes) => classes.replace("pixel", "");

// How numbers are typed into the input or the kernel; `offset()` is where its first cell stands on the board.
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

// The boards, in the order in which they stand: the input, the small ones about one window, and the others.
function makeBoards(pooling, inputEdit, kernelEdit, visit) {
  const small = (label, edit) => new Grid(label, { largestCell: 67, edit });
  const boards = { input: new Grid("Input with its padding", { edit: inputEdit }) };
  if (pooling)
    Object.assign(boards, {
      values: small("Values in the window"),
      shares: small("Gradient of the window"),
    });
  else
    Object.assign(boards, {
      kernel: small("Kernel", kernelEdit),
      terms: small("Products under the window"),
    });
  boards.output = new Grid("Output", { visit });
  if (pooling) boards.gradient = new Grid("Gradient of the input");
  return boards;
}

// What follows from where the window stands: its corner, what it reads, and which rows and columns any window reads.
function look(state, step) {
  const {
    starts,
    out,
    settings: { stride: s, dilation: d },
  } = state;
  const [row, column] = [Math.floor(step / out), step % out],
    [top, left] = [row * s, column * s];
  const weighed = starts.map((i) => starts.map((j) => weightsAt(state, i, j)));
  const seen = under(state, top, left),
    weights = weighed[row][column];
  const results = weighed.map((line, i) =>
    line.map((all, j) => total(products(under(state, starts[i], starts[j]), all))),
  );
  const reached = new Set(starts.flatMap((start) => seen.map((_, tap) => start + tap * d)));
  return { row, column, top, left, seen, weights, weighed, results, reached };
}

function drawBoards(
  boards,
  state,
  { row, column, top, left, seen, weights, weighed, results, reached },
) {
  const { settings, out, kind } = state,
    { input_size: n, kernel_size: k, padding: p, dilation: d } = settings;
  const isTap = (i, start) => i >= start && i < start + span(settings) && (i - start) % d === 0;
  const tapped = (i, j) => kind(i, j) + (isTap(i, top) && isTap(j, left) ? " tap" : "");
  const missed = (i, j) =>
    kind(i, j) === "pixel" && !(reached.has(i) && reached.has(j)) ? " unread" : "";
  const within = (i, j) => kind(top + i, left + j),
    frame = [top, left, span(settings)];
  const padded = p ? `, padded to ${n + 2 * p}×${n + 2 * p}` : "";

  boards.input.numbers(
    `Input ${n}×${n}${padded}`,
    state.padded,
    (i, j) => tapped(i, j) + missed(i, j),
  );
  boards.input.enclose(...frame);
  boards.kernel?.numbers(`Kernel ${k}×${k}`, weights);
  boards.terms?.numbers("Window × kernel", products(seen, weights));
  boards.values?.numbers(`Window ${k}×${k}`, seen, within);
  boards.shares?.numbers("Its gradient", weights, (i, j) => plain(within(i, j)));
  boards.output.numbers(`Output ${out}×${out}`, results, (i, j) =>
    i === row && j === column ? "current" : "",
  );
  boards.output.select(row, column);
  boards.gradient?.numbers(
    "Gradient, each output sends back 1",
    gradientOf(state, weighed),
    (i, j) => plain(tapped(i, j)),
    fraction,
  );
  boards.gradient?.enclose(...frame);
  Object.values(boards).forEach((board) => board.settle());
}

// The lines around the boards, by name: the sum under the small boards, the others in this order below all.
function makeLines(input, small) {
  const lines = { outside: node("span"), sum: node("p", { class: "bench-sum" }) };
  const legend = [
    ["tap", "in the window"],
    ["pad", lines.outside],
    ["unread", "read by no window"],
  ];
  input.panel.append(
    node(
      "p",
      { class: "bench-legend" },
      ...legend.map(([name, text]) =>
        node("span", {}, node("span", { class: `swatch ${name}` }), text),
      ),
    ),
  );
  small.panel.append(lines.sum);
  lines.below = ["status", "formula", "unread"].map(
    (name) => (lines[name] = node("p", { class: `bench-${name}` })),
  );
  lines.status.setAttribute("role", "status");
  return lines;
}

function drawLines(lines, state, { row, column, seen, weights, results, reached }) {
  const { mode, count_include_pad: zerosCount } = state.settings,
    result = results[row][column];
  const words = (mode === "convolution" ? convolutionWords : poolingWords)(
    state,
    seen,
    weights,
    result,
  );
  for (const [name, text] of Object.entries(words)) write(lines[name], text);
  write(lines.unread, leftOver(state, reached));
  write(lines.outside, OUTSIDE[mode] + (mode === "average" && !zerosCount ? ", not counted" : ""));
  write(
    lines.status,
    `Step ${row * state.out + column}: output[${row}, ${column}] = ${number(result, 4)}`,
  );
}

// What the sliders need to know; jslink carries it there, with or without a kernel. A limit that comes late does
// no harm, as a window that does not fit is not drawn and its slider is sent back; a picture that comes late would.
function share(model, { settings, out }, step) {
  const told = [
    ["step", step],
    ["step_max", out ** 2 - 1],
  ];
  for (const [name, low, high] of limits(settings, model.get("ranges")))
    told.push([`${name}_min`, low], [`${name}_max`, high]);
  const news = told.filter(([name, value]) => model.get(name) !== value);
  news.forEach(([name, value]) => model.set(name, value));
  if (news.length) model.save_changes();
}

function render({ model, el }) {
  let state = read(model),
    sharing;
  const pooling = state.settings.mode !== "convolution",
    { line, code, note } = codeLine();
  const edits = [
    editor(
      model,
      "input",
      () => state.input,
      () => state.settings.padding,
      note,
    ),
    editor(
      model,
      "kernel",
      () => state.kernel,
      () => 0,
      note,
    ),
  ];
  const boards = makeBoards(pooling, ...edits, (row, column) => {
    model.set("step", row * state.out + column);
    model.save_changes();
  });
  const [input, one, other, ...rest] = Object.values(boards),
    panels = (some) => some.map((board) => board.panel);
  const lines = { ...makeLines(input, other), code };
  const middle = node("div", { class: "bench-middle" }, ...panels([one, other]));
  el.append(
    node("div", { class: "bench-panels" }, input.panel, middle, ...panels(rest)),
    ...lines.below,
    line,
  );

  const draw = () => {
    const next = read(model);
    if (next.out < 1) return;
    state = next;
    const step = Math.min(model.get("step"), state.out ** 2 - 1),
      seen = look(state, step);
    clearTimeout(sharing);
    sharing = setTimeout(share, PAUSE, model, state, step);
    drawBoards(boards, state, seen);
    drawLines(lines, state, seen);
    write(note, "");
  };
  const names = [
    "mode_index",
    "step",
    "input_own",
    "kernel_own",
    "input_index",
    "kernel_index",
    ...model.get("names"),
  ];
  const end = live(model, el, names, draw, (between) => {
    [input, ...rest].forEach((board) => board.fit(between(220, pooling ? 0.245 : 0.31, 340)));
    [one, other].forEach((board) => board.fit(between(150, pooling ? 0.16 : 0.2, 200)));
  });
  return () => {
    clearTimeout(sharing);
    end();
  };
}

export default { render };
