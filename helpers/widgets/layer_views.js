// What stands on the boards of a bench, view by view: columns of boards, each a matrix with what
// marks its cells.

import { backward, channelsOf, forward, kernelAt, matrixOf } from "./taps.js";
import { placeOf, ranges, sizeOf, valuesOf } from "./taps.js";
import { biasOf, editor, inputOf, sentOf, shaped, weightOf } from "./numbers.js";

const MOST_ROWS = 64, // of a matrix that can be read
  MOST_SIDE = 32; // of an output that can be drawn

// The views that the layer has, and the chosen one.
export function viewsOf(model, settings) {
  const views = model.get("views").filter((name) => settings.transposed || name !== "stamps");
  return { views, view: views.includes(model.get("view")) ? model.get("view") : "forward" };
}

// Everything that follows from the model and the layer: numbers, the chosen output, its taps.
export function lookAt(model, layer) {
  const { shapes, settings, sides } = layer;
  const input = inputOf(model, shapes.input);
  const weight = weightOf(model, layer);
  const bias = biasOf(model, layer);
  const values = valuesOf(layer, input, weight);
  const output = forward(layer, values, input, bias);
  const { view } = viewsOf(model, settings);
  const end = view === "stamps" ? "input" : "output";
  const [, height, width] = shapes[end];
  const steps = height * width;
  const channel = Math.min(model.get("channel"), settings.out_channels - 1);
  const step = Math.min(model.get("step"), steps - 1);
  const [row, column] = [Math.floor(step / width), step % width];
  const taps = sides.map((side, axis) =>
    side.taps.filter((tap) => tap[end] === [row, column][axis]),
  );
  const now = placeOf(shapes.output, channel, row, column);
  const channels = channelsOf(layer, channel);
  const [alone, transposed] = ["alone", "transposed"].map((name) => model.get(name));
  const look = {
    ...{ ...layer, model, layer, input, weight, bias, values, output, view, steps },
    ...{ channel, step, row, column, taps, now, channels, alone, transposed },
  };
  return view === "backward" ? { ...look, ...wayBack(look) } : look;
}

// What the outputs send, and what arrives; with `alone`, the chosen output alone sends.
function wayBack({ model, layer, values, input, now, alone }) {
  const sent = sentOf(model, layer);
  const sends = alone ? sent.map((value, place) => (place === now ? value : 0)) : sent;
  return { sent, back: backward(layer, values, input, sends) };
}

const named = (name, place, count) => (count > 1 ? `${name} ${place}` : name);

// A board for each channel of numbers; `more` has what is special about it.
function boardsOf(name, flat, shape, more) {
  const [count, height, width] = shape;
  return shaped(flat, shape).map((values, place) => {
    const label = named(name, place, count);
    const title = count > 1 ? label : `${name} ${height}×${width}`;
    return { label, title, values, large: true, ...more(place, label, title) };
  });
}

// From the first to the last of the places, as a start and a length.
function span(places) {
  const [first, last] = [Math.min(...places), Math.max(...places)];
  return places.length ? [first, last - first + 1] : [0, 0];
}

// The frame around the window, where its taps stand by the name of a place.
function frameOf({ taps }, name) {
  const [[top, high], [left, wide]] = taps.map((some) => span(some.map((tap) => tap[name])));
  return high && wide ? [top, left, high, wide] : undefined;
}

// What stands at a cell of an input with its padding: a pixel, padding, or what is beyond it.
function cellOf({ sides, settings, input, shapes }, c, i, j) {
  const both = [sides[0].cells[i], sides[1].cells[j]];
  const kind = ["beyond", "pad", "pixel"].find((name) => both.some((one) => one.kind === name));
  const place = placeOf(shapes.input, c, both[0].input, both[1].input);
  const padding = settings.kind === "MaxPool2d" ? -Infinity : 0;
  const value = both.some((one) => one.input < 0) ? padding : input[place];
  const unread = kind === "pixel" && both.some((one) => one.unread);
  return { kind, value: kind === "beyond" ? NaN : value, place, unread };
}

// The boards of all input channels with their padding.
function inputBoards(look) {
  const { sides, input, shapes, taps, view, settings, channels, model } = look;
  const [rows, columns] = sides.map((side) => ranges(side.cells.length));
  const [down, right] = taps.map((some) => some.map((tap) => tap.place));
  const padded = sides.some((side) => side.before + side.after);
  const grown = padded ? `, padded to ${sides[0].room}×${sides[1].room}` : "";
  const rule =
    settings.kind === "Conv2d" ? "padding_mode says what stands" : "no number can be typed";
  return boardsOf("Input", input, shapes.input, (c, label, title) => {
    const cells = rows.map((i) => columns.map((j) => cellOf(look, c, i, j)));
    const current = channels.includes(c);
    const tapped = (i, j) => current && down.includes(i) && right.includes(j);
    const unread = (i, j) => cells[i][j].unread && view !== "stamps";
    const at = (i, j) => (cells[i][j].kind === "pixel" ? cells[i][j].place : undefined);
    return {
      label: `${label} with its padding`,
      title: shapes.input[0] > 1 ? title : title + grown,
      values: cells.map((line) => line.map(({ value }) => value)),
      classes: (i, j) =>
        cells[i][j].kind + (tapped(i, j) ? " tap" : "") + (unread(i, j) ? " unread" : ""),
      frame: current ? frameOf(look, "place") : undefined,
      at,
      edit: editor(model, "input", shapes.input, input, at),
      silent: `This is padding: ${rule} here.`,
      visit: view === "stamps" ? (i, j) => ({ step: i * shapes.input[2] + j }) : undefined,
    };
  });
}

// The gradient of the input stands where the input does.
function gradientBoards({ back, shapes }, inputs) {
  return inputs.map(({ values, frame, at, classes }, c) => {
    const label = named("Gradient of the input", c, shapes.input[0]);
    return {
      ...{ label, title: label, frame, large: true },
      values: values.map((line, i) => line.map((_, j) => back.input[at(i, j)] ?? NaN)),
      classes: (i, j) => classes(i, j).replace(/pixel|unread/g, ""),
    };
  });
}

// The kernels between the chosen output channel and all that it reads, or their gradients; with
// several, each is called by its place in the weight.
function kernelBoards({ model, layer, shapes, channel, channels }, label, flat, editable) {
  const [, makes, height, width] = shapes.weight;
  const kernels = shaped(flat, [flat.length / (height * width), height, width]);
  const [of, title] = editable ? ["weight", `${label} ${height}×${width}`] : ["gradient", label];
  return channels.map((c) => {
    const kernel = kernelAt(layer, channel, c);
    const at = (i, j) => placeOf(shapes.weight.slice(1), kernel, i, j);
    return {
      label: named(label, c, channels.length),
      title: kernels.length > 1 ? `${of}[${Math.floor(kernel / makes)}, ${kernel % makes}]` : title,
      values: kernels[kernel],
      edit: editable ? editor(model, "weight", shapes.weight, flat, at) : undefined,
    };
  });
}

// A number for each weight of the window, blank where the tap falls outside.
function window({ settings, taps }, make) {
  const [height, width] = settings.kernel_size;
  const found = ranges(height).map(() => new Array(width).fill(NaN));
  for (const row of taps[0])
    for (const column of taps[1]) found[row.weight][column.weight] = make(row, column);
  return found;
}

// What the window reads of one input channel, with the padding's own value.
const readOf = (look, c) => (row, column) => cellOf(look, c, row.place, column.place).value;

function productBoards(look, kernels) {
  const { channels, view } = look;
  const name = view === "stamps" ? "Stamp: input × kernel" : "Window × kernel";
  return channels.map((c, place) => {
    const [kernel, read] = [kernels[place].values, readOf(look, c)];
    const product = (row, column) => kernel[row.weight][column.weight] * read(row, column);
    const label = named("Products under the window", c, channels.length);
    const title = channels.length > 1 ? `Products ${c}` : name;
    return { label, title, values: window(look, product) };
  });
}

// What the window of a pooling reads, and the share of each number.
function poolBoards(look) {
  const { channel, settings, values, layer, now } = look;
  const size = settings.kernel_size;
  const read = window(look, readOf(look, channel));
  const shares = values.filter((_, tap) => layer.taps.output[tap] === now);
  const [label, title] = ["Gradient of the window", "What each weighs"];
  return [
    { label: "Values in the window", title: `Window ${size.join("×")}`, values: read },
    { label, title, values: shaped(shares, size) },
  ];
}

function outputBoards({ model, shapes, channel, row, column, view, ...look }, name, flat) {
  return boardsOf(name, flat, shapes.output, (o) => {
    const selected = o === channel && view !== "stamps" ? [row, column] : undefined;
    const at = (i, j) => placeOf(shapes.output, o, i, j);
    return {
      selected,
      classes: (i, j) => (selected?.[0] === i && selected[1] === j ? "current" : ""),
      frame: o === channel && view === "stamps" ? frameOf(look, "output") : undefined,
      visit: (i, j) => ({ channel: o, step: i * shapes.output[2] + j }),
      edit: name === "Sent back" ? editor(model, "sent", shapes.output, flat, at) : undefined,
    };
  });
}

function matrixBoard({ layer, shapes, values, now, transposed }) {
  const rows = matrixOf(layer, values);
  const table = transposed ? rows[0].map((_, j) => rows.map((row) => row[j])) : rows;
  const name = transposed ? "Transposed matrix" : "Matrix";
  const [down, along] = transposed ? ["input", "output"] : ["output", "input"];
  const steps = sizeOf(shapes.output.slice(1));
  const output = (i, j) => (transposed ? j : i);
  const placed = (place) => ({ channel: Math.floor(place / steps), step: place % steps });
  const size = `${table.length}×${table[0].length}`;
  return {
    label: "Matrix",
    title: `${name} ${size}: a row for each ${down}, a column for each ${along}`,
    values: table,
    classes: (i, j) => (output(i, j) === now ? "current" : ""),
    free: true,
    visit: (i, j) => placed(output(i, j)),
  };
}

// The boards of a view in columns, or a sentence where there are too many numbers.
export function columnsOf(look) {
  const { view, shapes, output, settings, channels } = look;
  const [, height, width] = shapes.output;
  const [reads, makes] = [sizeOf(shapes.input), sizeOf(shapes.output)];
  if (Math.max(height, width) > MOST_SIDE)
    return (
      `The output has ${height}×${width} numbers, more than can be read: ` +
      `${MOST_SIDE} on a side can. bench.output has them all.`
    );
  if (view === "matrix" && Math.max(reads, makes) > MOST_ROWS)
    return (
      `The matrix has ${makes} rows and ${reads} columns, more than can be read: ` +
      `${MOST_ROWS} can. Choose a smaller input; bench.matrix has them all.`
    );
  if (view === "matrix") return [[matrixBoard(look)]];
  const inputs = inputBoards(look);
  const kernels = settings.convolves
    ? kernelBoards(look, "Kernel", look.weight, true)
    : poolBoards(look);
  if (view === "backward") {
    const found = settings.convolves
      ? kernelBoards(look, "Gradient of the kernel", look.back.weight)
      : [];
    const sent = outputBoards(look, "Sent back", look.sent);
    return [inputs, [...kernels, ...found], sent, gradientBoards(look, inputs)];
  }
  const outputs = outputBoards(look, "Output", output);
  if (!settings.convolves) return [inputs, kernels, outputs];
  const products = productBoards(look, kernels);
  return channels.length > 1
    ? [inputs, kernels, products, outputs]
    : [inputs, [...kernels, ...products], outputs];
}
