// A layer that slides a window, as one list of taps: which output reads which input through which
// weight. Forward, backward, the stamps and the matrix are sums over that list. Python and torch
// hold the truth; the tests compare every number with theirs.

const ranges = (count) => Array.from({ length: count }, (_, i) => i);

// The settings of the layer as it stands, sides as [height, width].
export function settingsOf(model) {
  const kind = Object.keys(model.get("kinds"))[model.get("kind_index")];
  const settings = { ...model.get("neutral"), kind };
  const taken = model.get("kinds")[kind];
  const width = (name) => model.get(model.get("locked") ? name : `${name}_width`);
  for (const name of ["input_size", "in_channels", ...taken])
    if (model.get("pairs").includes(name)) settings[name] = [model.get(name), width(name)];
    else if (name !== "padding_mode") settings[name] = model.get(name);
    else settings[name] = model.get("modes")[model.get("padding_mode_index")];
  settings.convolves = taken.includes("groups");
  settings.transposed = kind === "ConvTranspose2d";
  if (!settings.convolves) {
    settings.out_channels = settings.groups = settings.in_channels;
  }
  return settings;
}

// The numbers of one side, by the names that the sentences have.
function numbersOf(settings, axis) {
  const side = {};
  for (const [name, value] of Object.entries(settings))
    if (Array.isArray(value)) side[name] = value[axis];
  const { input_size: n, kernel_size: k, stride: s, padding: p, dilation: d } = side;
  const span = d * (k - 1) + 1;
  const before = settings.same ? Math.floor((span - 1) / 2) : p;
  const after = settings.same ? span - 1 - before : p;
  const room = n + before + after;
  const size = (n - 1) * s - 2 * p + span + side.output_padding;
  return { ...side, span, before, after, room, more: span - room, size };
}

function troublesOf(settings, side) {
  const { kind, padding_mode: mode, same, ceil_mode: ceil } = settings;
  const { input_size: n, kernel_size: k, stride: s, padding: p, dilation: d, more } = side;
  if (settings.transposed)
    return {
      most: s - 1,
      output_padding: side.output_padding >= Math.max(s, d),
      empty: side.size < 1,
    };
  if (kind === "Conv2d")
    return {
      most: n - 1,
      padding: side.after,
      same: same && s > 1,
      reflect: mode === "reflect" && side.after >= n,
      circular: mode === "circular" && side.after > n,
      window: more > 0,
    };
  const reads = (start) => ranges(k).some((tap) => start + tap * d >= 0 && start + tap * d < n);
  return {
    most: Math.floor(k / 2),
    half: 2 * p > side.span,
    half_plain: 2 * p > k,
    pool: more > (ceil ? s - 1 : 0),
    alone: kind === "MaxPool2d" && !placesOf(settings, side).every((i) => reads(i * s - p)),
  };
}

// Why no window fits, as a sentence, or "".
export function troubleOf(settings, sentences) {
  const { in_channels, out_channels, groups } = settings;
  const filled = (key, values) => sentences[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
  for (const [key, count] of Object.entries({ in: in_channels, out: out_channels }))
    if (count % groups) return filled(`${key}_groups`, { in_channels, out_channels, groups });
  const sides = [0, 1].map((axis) => numbersOf(settings, axis));
  const found = sides.map((side) => troublesOf(settings, side));
  for (const key of Object.keys(sentences))
    for (const axis of [0, 1])
      if (found[axis][key] === true) {
        const { most, padding = sides[axis].padding } = found[axis];
        return filled(key, { ...sides[axis], most, padding });
      }
  return "";
}

// Where windows stand along one side: 0, 1, … in steps of the stride.
function placesOf(settings, { input_size: n, padding: p, stride: s, more }) {
  let count = Math.floor((-more + (settings.ceil_mode ? s - 1 : 0)) / s) + 1;
  if (settings.ceil_mode && (count - 1) * s >= n + p) count--;
  return ranges(Math.max(count, 0));
}

// The pixel that stands at a place of the padded side, or −1 for none.
function source(place, n, mode) {
  if (place >= 0 && place < n) return place;
  if (mode === "replicate") return place < 0 ? 0 : n - 1;
  if (mode === "circular") return (place + n) % n;
  if (mode === "reflect") return place < 0 ? -place : 2 * (n - 1) - place;
  return -1;
}

// One side of the layer: which output reads which input through which weight of the window.
function sideOf(settings, axis) {
  const side = numbersOf(settings, axis);
  const { input_size: n, kernel_size: k, stride: s, dilation: d, before } = side;
  const weights = ranges(k);
  if (settings.transposed) {
    const landing = (i, weight) => ({
      input: i,
      weight,
      output: i * s + weight * d - side.padding,
    });
    const taps = ranges(n).flatMap((i) => weights.map((weight) => landing(i, weight)));
    const inside = ({ output }) => output >= 0 && output < side.size;
    return { ...side, out: side.size, taps: taps.filter(inside), shown: n, before: 0, after: 0 };
  }
  const places = placesOf(settings, side);
  const at = (place) => source(place, n, settings.padding_mode);
  const read = (output, weight) => ({
    output,
    weight,
    input: at(output * s + weight * d - before),
  });
  const taps = places.flatMap((output) => weights.map((weight) => read(output, weight)));
  const shown = Math.max(side.room, (places.length - 1) * s + side.span);
  const counted = places.map((output) => {
    const [first, end] = [output * s - before, output * s - before + k];
    const [low, high] = settings.count_include_pad ? [-before, n + side.after] : [0, n];
    return Math.min(end, high) - Math.max(first, low);
  });
  return { ...side, out: places.length, taps, shown, counted, at };
}

// The layer with its taps. Outputs, inputs and weights are numbered in torch's order.
export function layerOf(settings) {
  const sides = [sideOf(settings, 0), sideOf(settings, 1)];
  const [rows, columns] = sides;
  const { in_channels: ins, out_channels: outs, groups, transposed, convolves } = settings;
  const [reads, makes] = [ins / groups, outs / groups];
  const input = [ins, rows.input_size, columns.input_size];
  const output = [outs, rows.out, columns.out];
  const weight = [...(transposed ? [ins, makes] : [outs, reads]), ...settings.kernel_size];
  const layer = { settings, sides, shapes: { input, output, weight }, reads, makes, convolves };
  return { ...layer, taps: tapsOf(layer) };
}

function tapsOf({ settings, sides: [rows, columns], shapes, reads, makes }) {
  const outs = shapes.output[0];
  const count = outs * reads * rows.taps.length * columns.taps.length;
  const [output, input, weight] = [0, 1, 2].map(() => new Int32Array(count));
  let tap = 0;
  const note = (o, c, kernel, row, column) => {
    const outside = row.input < 0 || column.input < 0;
    const at = ([, height, width], channel, i, j) => (channel * height + i) * width + j;
    output[tap] = at(shapes.output, o, row.output, column.output);
    input[tap] = outside ? -1 : at(shapes.input, c, row.input, column.input);
    weight[tap++] = at(shapes.weight.slice(1), kernel, row.weight, column.weight);
  };
  for (let o = 0; o < outs; o++)
    for (let within = 0; within < reads; within++) {
      const c = Math.floor(o / makes) * reads + within;
      const kernel = settings.transposed ? c * makes + (o % makes) : o * reads + within;
      for (const row of rows.taps)
        for (const column of columns.taps) note(o, c, kernel, row, column);
    }
  return { output, input, weight };
}

// What each tap weighs: its weight, its share of the average, or 1 for the largest of a window.
export function valuesOf(layer, input, weight) {
  const { taps, settings, sides, shapes } = layer;
  if (layer.convolves) return Float64Array.from(taps.weight, (place) => weight[place]);
  if (settings.kind === "AvgPool2d") {
    const [rows, columns] = sides;
    return Float64Array.from(taps.output, (place) => {
      const row = Math.floor(place / shapes.output[2]) % shapes.output[1];
      const count = rows.counted[row] * columns.counted[place % shapes.output[2]];
      return 1 / (settings.divisor_override || count);
    });
  }
  const winner = new Map();
  taps.output.forEach((place, tap) => {
    const best = input[taps.input[winner.get(place)]] ?? -Infinity;
    if (taps.input[tap] >= 0 && (input[taps.input[tap]] > best || !winner.has(place)))
      winner.set(place, tap);
  });
  return Float64Array.from(taps.output, (place, tap) => Number(winner.get(place) === tap));
}

// The sum of what all taps carry, by where they lead.
function summed(size, places, carried) {
  const sums = new Array(size).fill(0);
  for (let tap = 0; tap < places.length; tap++)
    if (places[tap] >= 0) sums[places[tap]] += carried(tap);
  return sums;
}

const sizeOf = (shape) => shape.reduce((a, b) => a * b, 1);

export function forward({ taps, shapes }, values, input, bias) {
  const channel = shapes.output[1] * shapes.output[2];
  const read = (tap) => (taps.input[tap] < 0 ? 0 : values[tap] * input[taps.input[tap]]);
  const sums = summed(sizeOf(shapes.output), taps.output, read);
  return sums.map((sum, place) => sum + (bias?.[Math.floor(place / channel)] ?? 0));
}

// The gradients, where the outputs send back `sent`: the same taps, read the other way.
export function backward({ taps, shapes }, values, input, sent) {
  const back = (tap) => values[tap] * sent[taps.output[tap]];
  const carried = (tap) =>
    (taps.input[tap] < 0 ? 0 : input[taps.input[tap]]) * sent[taps.output[tap]];
  const channel = shapes.output[1] * shapes.output[2];
  const channels = sent.map((_, place) => Math.floor(place / channel));
  return {
    input: summed(sizeOf(shapes.input), taps.input, back),
    weight: summed(sizeOf(shapes.weight), taps.weight, carried),
    bias: summed(shapes.output[0], channels, (place) => sent[place]),
  };
}

// The same taps as a table: a row for each output, a column for each input.
export function matrixOf({ taps, shapes }, values) {
  const width = sizeOf(shapes.input);
  const rows = ranges(sizeOf(shapes.output)).map(() => new Array(width).fill(0));
  taps.output.forEach((place, tap) => {
    if (taps.input[tap] >= 0) rows[place][taps.input[tap]] += values[tap];
  });
  return rows;
}
