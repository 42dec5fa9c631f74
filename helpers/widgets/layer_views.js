// What stands on the boards of a bench, view by view: columns of boards, each a matrix with what
// marks its cells.

import { backward, forward, matrixOf, valuesOf } from "./taps.js";
import { biasOf, editor, inputOf, sentOf, weightOf } from "./numbers.js";

const MOST_ROWS = 64, // of a matrix that can be read
  MOST_SIDE = 32; // of an output that can be drawn

export const viewsOf = ({ transposed }) =>
  transposed ? ["forward", "backward", "stamps", "matrix"] : ["forward", "backward", "matrix"];

const slice = (flat, [, height, width], channel) =>
  Array.from({ length: height }, (_, i) =>
    flat.slice((channel * height + i) * width, (channel * height + i + 1) * width),
  );
const named = (name, channel, count) => (count > 1 ? `${name} ${channel}` : name);

// Everything that follows from the model and the layer: numbers, the chosen output, its taps.
export function lookAt(model, layer) {
  const { shapes, settings, sides, reads, makes } = layer;
  const input = inputOf(model, shapes.input);
  const weight = layer.convolves ? weightOf(model, layer) : [];
  const bias = biasOf(model, layer);
  const values = valuesOf(layer, input, weight);
  const output = forward(layer, values, input, bias);
  const views = viewsOf(settings);
  const view = views.includes(model.get("view")) ? model.get("view") : "forward";
  const [, height, width] = view === "stamps" ? shapes.input : shapes.output;
  const channel = Math.min(model.get("channel"), settings.out_channels - 1);
  const step = Math.min(model.get("step"), height * width - 1);
  const [row, column] = [Math.floor(step / width), step % width];
  const end = view === "stamps" ? "input" : "output";
  const taps = sides.map((side, axis) =>
    side.taps.filter((tap) => tap[end] === [row, column][axis]),
  );
  const group = Math.floor(channel / makes);
  const channels = Array.from({ length: reads }, (_, within) => group * reads + within);
  const now = (channel * shapes.output[1] + row) * shapes.output[2] + column;
  return {
    ...{ model, layer, settings, shapes, sides, input, weight, bias, values, output, view, views },
    ...{ channel, channels, step, row, column, taps, steps: height * width, now },
    alone: model.get("alone"),
  };
}

// Where a tap stands on a board of the input with its padding.
const placed =
  ({ settings }, axis) =>
  (tap) =>
    settings.transposed
      ? tap.input
      : tap.output * settings.stride[axis] + tap.weight * settings.dilation[axis];

function kernelPlace({ layer, channel }, c) {
  const { settings, makes, reads } = layer;
  return settings.transposed ? c * makes + (channel % makes) : channel * reads + (c % reads);
}

const kernelOf = (look, flat, c) => {
  const [height, width] = look.settings.kernel_size;
  return slice(flat, [0, height, width], kernelPlace(look, c));
};

// A number for each weight of the window, blank where the tap falls outside.
function window({ settings, taps }, make) {
  const [height, width] = settings.kernel_size;
  const found = Array.from({ length: height }, () => new Array(width).fill(NaN));
  for (const row of taps[0])
    for (const column of taps[1]) found[row.weight][column.weight] = make(row, column);
  return found;
}

function span(where) {
  const [first, last] = [Math.min(...where), Math.max(...where)];
  return where.length ? [first, last - first + 1] : [0, 0];
}

// What stands at each cell of an input with its padding: a pixel, padding, or what is beyond it.
function cellsOf({ sides, settings, input, shapes }, c) {
  const filled = settings.kind === "MaxPool2d" ? -Infinity : 0;
  const from = (axis, place) => place - sides[axis].before;
  const inside = (axis, place) =>
    from(axis, place) >= 0 && from(axis, place) < sides[axis].input_size;
  const real = (i, j) => inside(0, i) && inside(1, j);
  const beyond = (i, j) => !settings.transposed && (i >= sides[0].room || j >= sides[1].room);
  const kind = (i, j) => (real(i, j) ? "pixel" : beyond(i, j) ? "beyond" : "pad");
  const flat = (i, j) => (c * shapes.input[1] + i) * shapes.input[2] + j;
  const value = (i, j) => {
    if (kind(i, j) === "beyond") return NaN;
    const at = [i, j].map((place, axis) => sides[axis].at?.(from(axis, place)) ?? place);
    return at.some((place) => place < 0) ? filled : input[flat(...at)];
  };
  const read = sides.map((side) => new Set(side.taps.map((tap) => tap.input)));
  const missed = (i, j) => real(i, j) && !(read[0].has(from(0, i)) && read[1].has(from(1, j)));
  const place = (i, j) => (real(i, j) ? flat(from(0, i), from(1, j)) : undefined);
  return { kind, value, missed, place };
}

// The board of one input channel with its padding.
function inputBoard(look, c, more = {}) {
  const { sides, input, shapes, taps, view } = look;
  const { kind, value, missed, place } = cellsOf(look, c);
  const values = Array.from({ length: sides[0].shown }, (_, i) =>
    Array.from({ length: sides[1].shown }, (_, j) => value(i, j)),
  );
  const where = taps.map((some, axis) => some.map(placed(look, axis)));
  const current = look.channels.includes(c);
  const tapped = (i, j) => current && where[0].includes(i) && where[1].includes(j);
  const unread = (i, j) => view !== "stamps" && missed(i, j);
  const [[top, high], [left, wide]] = where.map(span);
  const padded = sides.some((side) => side.before + side.after);
  const grown = padded ? `, padded to ${sides[0].room}×${sides[1].room}` : "";
  const name = named("Input", c, shapes.input[0]);
  return {
    key: `input${c}`,
    label: `${name} with its padding`,
    title: shapes.input[0] > 1 ? name : `${name} ${shapes.input[1]}×${shapes.input[2]}${grown}`,
    values,
    classes: (i, j) => kind(i, j) + (tapped(i, j) ? " tap" : "") + (unread(i, j) ? " unread" : ""),
    frame: current && high && wide ? [top, left, high, wide] : undefined,
    edit: editor(look.model, "input", shapes.input, input, place),
    silent:
      look.settings.kind === "Conv2d"
        ? "This is padding: padding_mode says what stands here."
        : "This is padding: no number can be typed here.",
    large: true,
    ...more,
  };
}

const bare = (classes) => classes.replace("pixel", "").replace("unread", "");

// What a kernel is called: with several, its place in the weight.
function kernelName(look, c, of = "weight") {
  const { channel, channels, layer, settings } = look;
  if (channels.length === 1 && layer.makes === 1 && settings.groups === 1) return undefined;
  const within = layer.settings.transposed ? channel % layer.makes : c % layer.reads;
  return `${of}[${settings.transposed ? c : channel}, ${within}]`;
}

function kernelBoards(look) {
  const { settings, weight, shapes, channels } = look;
  const [height, width] = settings.kernel_size;
  return channels.map((c) => ({
    key: `kernel${c}`,
    label: named("Kernel", c, channels.length),
    title: kernelName(look, c) ?? `Kernel ${height}×${width}`,
    values: kernelOf(look, weight, c),
    edit: editor(
      look.model,
      "weight",
      shapes.weight,
      weight,
      (i, j) => (kernelPlace(look, c) * height + i) * width + j,
    ),
  }));
}

// What the window reads of one input channel, with the padding's own value.
function readOf(look, c) {
  const { value } = cellsOf(look, c);
  return (row, column) => value(placed(look, 0)(row), placed(look, 1)(column));
}

function productBoards(look) {
  const { weight, channels, view } = look;
  const name = view === "stamps" ? "Stamp: input × kernel" : "Window × kernel";
  return channels.map((c) => {
    const [kernel, read] = [kernelOf(look, weight, c), readOf(look, c)];
    const product = (row, column) => {
      const number = kernel[row.weight][column.weight];
      return number && number * read(row, column);
    };
    const title = channels.length > 1 ? `Products ${c}` : name;
    return {
      key: `product${c}`,
      label: named("Products under the window", c, channels.length),
      title,
      values: window(look, product),
    };
  });
}

// What the window of a pooling reads, and the share of each number.
function poolBoards(look) {
  const { channel, settings, values, layer, now } = look;
  const read = readOf(look, channel);
  const shares = window(look, () => 0);
  layer.taps.output.forEach((place, tap) => {
    if (place !== now) return;
    const [, width] = settings.kernel_size;
    const weight = layer.taps.weight[tap] % (settings.kernel_size[0] * width);
    shares[Math.floor(weight / width)][weight % width] = values[tap];
  });
  const [height, width] = settings.kernel_size;
  return [
    {
      key: "values",
      label: "Values in the window",
      title: `Window ${height}×${width}`,
      values: window(look, read),
    },
    { key: "shares", label: "Gradient of the window", title: "What each weighs", values: shares },
  ];
}

const middle = (look) =>
  look.layer.convolves ? [...kernelBoards(look), ...productBoards(look)] : poolBoards(look);

function outputBoards(look, name, flat, more = () => ({})) {
  const { shapes, channel, row, column, view, taps } = look;
  const [count, height, width] = shapes.output;
  const [[top, high], [left, wide]] = taps.map((some) => span(some.map((tap) => tap.output)));
  return Array.from({ length: count }, (_, o) => ({
    key: `${name}${o}`,
    label: named(name, o, count),
    title: count > 1 ? named(name, o, count) : `${name} ${height}×${width}`,
    values: slice(flat, shapes.output, o),
    classes: (i, j) =>
      view !== "stamps" && o === channel && i === row && j === column ? "current" : "",
    selected: o === channel && view !== "stamps" ? [row, column] : undefined,
    frame: view === "stamps" && o === channel && high && wide ? [top, left, high, wide] : undefined,
    place: { channel: o, width },
    large: true,
    ...more(o),
  }));
}

function backwardColumns(look) {
  const { shapes, layer, channels, settings, now, alone } = look;
  const all = sentOf(look.model, layer);
  const sent = alone ? all.map((value, place) => (place === now ? value : 0)) : all;
  const back = backward(layer, look.values, look.input, sent);
  Object.assign(look, { sent, back });
  const at = (o) => (i, j) => (o * shapes.output[1] + i) * shapes.output[2] + j;
  const arriving = outputBoards(look, "Sent back", all, (o) => ({
    edit: editor(look.model, "sent", shapes.output, all, at(o)),
  }));
  const gradients = Array.from({ length: shapes.input[0] }, (_, c) => {
    const board = inputBoard(look, c);
    const { before: top } = look.sides[0],
      { before: left } = look.sides[1];
    const found = slice(back.input, shapes.input, c);
    return {
      ...{
        key: `gradient${c}`,
        label: named("Gradient of the input", c, shapes.input[0]),
        large: true,
      },
      title: named("Gradient of the input", c, shapes.input[0]),
      values: board.values.map((line, i) => line.map((_, j) => found[i - top]?.[j - left] ?? NaN)),
      classes: (i, j) => bare(board.classes(i, j)),
      frame: board.frame,
    };
  });
  const weights = channels.map((c) => ({
    ...{ key: `back${c}`, label: named("Gradient of the kernel", c, channels.length) },
    title: kernelName(look, c, "gradient") ?? "Gradient of the kernel",
    values: layer.convolves ? kernelOf(look, back.weight, c) : [],
  }));
  const inputs = Array.from({ length: shapes.input[0] }, (_, c) => inputBoard(look, c));
  const small = settings.convolves ? [...kernelBoards(look), ...weights] : poolBoards(look);
  return [inputs, small, arriving, gradients];
}

function matrixColumns(look) {
  const { layer, shapes, values, now, model } = look;
  const turned = model.get("turned");
  const rows = matrixOf(layer, values);
  const table = turned ? rows[0].map((_, j) => rows.map((row) => row[j])) : rows;
  const [, height, width] = shapes.output;
  const titles = [
    "a row for each output, a column for each input",
    "a row for each input, a column for each output",
  ];
  const current = (i, j) => ((turned ? j : i) === now ? "current" : "");
  return [
    [
      {
        ...{ key: "matrix", label: "Matrix", values: table, classes: current, free: true },
        title: `${turned ? "Transposed matrix" : "Matrix"} ${table.length}×${table[0].length}: ${titles[Number(turned)]}`,
        visit: (i, j) => {
          const place = turned ? j : i;
          return { channel: Math.floor(place / (height * width)), step: place % (height * width) };
        },
      },
    ],
  ];
}

// The boards of a view in columns, or a sentence where there are too many numbers.
export function columnsOf(look) {
  const { view, shapes, output, settings } = look;
  const [, height, width] = shapes.output;
  const size = (shape) => shape.reduce((a, b) => a * b, 1);
  if (Math.max(height, width) > MOST_SIDE)
    return `The output has ${height}×${width} numbers, more than can be read: ${MOST_SIDE} on a side can. bench.output has them all.`;
  if (view === "matrix" && Math.max(size(shapes.input), size(shapes.output)) > MOST_ROWS)
    return `The matrix has ${size(shapes.output)} rows and ${size(shapes.input)} columns, more than can be read: ${MOST_ROWS} can. Choose a smaller input; bench.matrix has them all.`;
  if (view === "matrix") return matrixColumns(look);
  if (view === "backward") return backwardColumns(look);
  const inputs = Array.from({ length: shapes.input[0] }, (_, c) =>
    inputBoard(look, c, view === "stamps" ? { place: { width: shapes.input[2] } } : {}),
  );
  const outputs = outputBoards(look, "Output", output);
  return settings.convolves && look.channels.length > 1
    ? [inputs, kernelBoards(look), productBoards(look), outputs]
    : [inputs, middle(look), outputs];
}
