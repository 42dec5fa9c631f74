// A layer that slides a window, as one list of taps: which output reads which input through which
// weight. Forward, backward, the stamps and the matrix are sums over that list. Python and torch
// hold the truth; the tests compare every number with theirs.

export const ranges = (count) => Array.from({ length: count }, (_, i) => i);
export const sizeOf = (shape) => shape.reduce((a, b) => a * b, 1);
// Where a number stands among all, in torch's order.
export const placeOf = ([, height, width], channel, i, j) => (channel * height + i) * width + j;

// The settings of the layer as it stands, sides as [height, width].
export function settingsOf(model) {
  const kind = Object.keys(model.get("kinds"))[model.get("kind_index")];
  const taken = model.get("kinds")[kind];
  const settings = { ...model.get("neutral"), kind };
  const width = (name) => model.get(model.get("locked") ? name : `${name}_width`);
  for (const name of ["input_size", "in_channels", ...taken])
    if (model.get("pairs").includes(name)) settings[name] = [model.get(name), width(name)];
    else if (name !== "padding_mode") settings[name] = model.get(name);
    else settings[name] = model.get("modes")[model.get("padding_mode_index")];
  settings.convolves = taken.includes("groups");
  settings.transposed = kind === "ConvTranspose2d";
  if (!settings.convolves) settings.out_channels = settings.groups = settings.in_channels;
  return settings;
}

// The settings of one side and what follows from them, by the names that the sentences have.
function numbersOf(settings, axis) {
  const side = { ...settings };
  for (const [name, value] of Object.entries(settings))
    if (Array.isArray(value)) side[name] = value[axis];
  const { input_size: n, kernel_size: k, stride: s, padding: p, dilation: d } = side;
  const span = d * (k - 1) + 1;
  const before = side.same ? Math.floor((span - 1) / 2) : p;
  const after = side.same ? span - 1 - before : p;
  const room = n + before + after;
  const size = (n - 1) * s - 2 * p + span + side.output_padding;
  const beyond = side.ceil_mode ? s - 1 : 0;
  const more = span - room;
  let count = Math.max(Math.floor((beyond - more) / s) + 1, 0);
  if (side.ceil_mode && (count - 1) * s >= n + p) count--;
  const mosts = { left: s - 1, half: Math.floor(k / 2), inner: n - 1 };
  return { ...side, ...mosts, span, before, after, room, size, beyond, more, count };
}

function troublesOf(side) {
  const { kind, transposed, convolves, padding_mode: mode, groups, after, more } = side;
  const { input_size: n, kernel_size: k, stride: s, padding: p, dilation: d } = side;
  const misses = (start) => ranges(k).every((tap) => start + tap * d < 0 || start + tap * d >= n);
  return {
    groups: side.in_channels % groups || side.out_channels % groups,
    same: side.same && s > 1,
    output_padding: side.output_padding >= Math.max(s, d),
    empty: transposed && side.size < 1,
    half: !convolves && 2 * p > side.span,
    half_plain: !convolves && 2 * p > k,
    reflect: mode === "reflect" && after >= n,
    circular: mode === "circular" && after > n,
    window: kind === "Conv2d" && more > 0,
    pool: !convolves && more > side.beyond,
    alone: kind === "MaxPool2d" && ranges(side.count).some((place) => misses(place * s - p)),
  };
}

// Why no window fits, as a sentence, or "".
export function troubleOf(settings, sentences) {
  const sides = [0, 1].map((axis) => numbersOf(settings, axis));
  const found = sides.map(troublesOf);
  for (const [key, sentence] of Object.entries(sentences)) {
    const side = sides[found.findIndex((troubles) => troubles[key])];
    if (side) return sentence.replace(/\{(\w+)\}/g, (_, name) => side[name]);
  }
  return "";
}

// The pixel that stands at a place of the padded side, or −1 for none.
function source(place, n, mode) {
  if (place >= 0 && place < n) return place;
  if (mode === "replicate") return place < 0 ? 0 : n - 1;
  if (mode === "circular") return (place + n) % n;
  if (mode === "reflect") return place < 0 ? -place : 2 * (n - 1) - place;
  return -1;
}

// One side of the layer: which output reads which input through which weight of the window, and
// what stands at each cell of the input's board, on which `place` counts. A transposed layer walks
// over its inputs and needs no board for the padding that it takes off.
function sideOf(settings, axis) {
  const side = numbersOf(settings, axis);
  const { input_size: n, kernel_size: k, stride: s, dilation: d, transposed, room } = side;
  const [before, after] = transposed ? [0, 0] : [side.before, side.after];
  const out = transposed ? side.size : side.count;
  const at = (place) => source(place - before, n, side.padding_mode);
  const taps = ranges(transposed ? n : out)
    .flatMap((step) => ranges(k).map((weight) => ({ step, weight, to: step * s + weight * d })))
    .map(({ step, weight, to }) =>
      transposed
        ? { input: step, weight, output: to - side.padding, place: step }
        : { input: at(to), weight, output: step, place: to },
    )
    .filter(({ output }) => output >= 0 && output < out);
  const read = new Set(taps.map(({ input }) => input));
  const shown = transposed ? n : Math.max(room, (out - 1) * s + side.span);
  const cells = ranges(shown).map((place) => {
    const pixel = place >= before && place < before + n;
    const kind = pixel ? "pixel" : place < before + n + after ? "pad" : "beyond";
    return { kind, input: at(place), unread: !read.has(at(place)) };
  });
  const [low, high] = side.count_include_pad ? [0, room] : [before, before + n];
  const counted = (output) => Math.min(output * s + k, high) - Math.max(output * s, low);
  return { ...side, before, after, out, taps, cells, counted: ranges(out).map(counted) };
}

// The layer with its taps.
export function layerOf(settings) {
  const sides = [sideOf(settings, 0), sideOf(settings, 1)];
  const { in_channels: ins, out_channels: outs, groups, transposed, convolves } = settings;
  const [reads, makes] = [ins / groups, outs / groups];
  const shapes = {
    input: [ins, ...settings.input_size],
    output: [outs, ...sides.map(({ out }) => out)],
    weight: [...(transposed ? [ins, makes] : [outs, reads]), ...settings.kernel_size],
  };
  const layer = { settings, sides, shapes, reads, makes, convolves };
  return { ...layer, taps: tapsOf(layer) };
}

// The input channels that an output channel reads.
export const channelsOf = ({ reads, makes }, channel) =>
  ranges(reads).map((within) => Math.floor(channel / makes) * reads + within);

// Which of all kernels lies between an output and an input channel.
export const kernelAt = ({ settings, reads, makes }, channel, c) =>
  settings.transposed ? c * makes + (channel % makes) : channel * reads + (c % reads);

function tapsOf(layer) {
  const { shapes, sides, reads } = layer;
  const [rows, columns] = sides.map((side) => side.taps);
  const count = shapes.output[0] * reads * rows.length * columns.length;
  const [output, input, weight] = ranges(3).map(() => new Int32Array(count));
  const kernels = shapes.weight.slice(1);
  let tap = 0;
  for (const channel of ranges(shapes.output[0]))
    for (const c of channelsOf(layer, channel)) {
      const kernel = kernelAt(layer, channel, c);
      for (const row of rows)
        for (const column of columns) {
          const outside = row.input < 0 || column.input < 0;
          output[tap] = placeOf(shapes.output, channel, row.output, column.output);
          input[tap] = outside ? -1 : placeOf(shapes.input, c, row.input, column.input);
          weight[tap++] = placeOf(kernels, kernel, row.weight, column.weight);
        }
    }
  return { output, input, weight };
}

// What each tap weighs: its weight, its share of the average, or 1 for the largest of a window.
export function valuesOf({ taps, settings, sides, shapes, convolves }, input, weight) {
  const each = (places, make) => new Float64Array(places).map(make); // `from` takes twice as long
  if (convolves) return each(taps.weight, (place) => weight[place]);
  if (settings.kind === "AvgPool2d") {
    const [, height, width] = shapes.output;
    const counts = sides.map((side) => side.counted);
    const count = (place) =>
      counts[0][Math.floor(place / width) % height] * counts[1][place % width];
    return each(taps.output, (place) => 1 / (settings.divisor_override || count(place)));
  }
  const winner = new Map();
  taps.output.forEach((place, tap) => {
    const best = input[taps.input[winner.get(place)]] ?? -Infinity;
    if (taps.input[tap] >= 0 && (input[taps.input[tap]] > best || !winner.has(place)))
      winner.set(place, tap);
  });
  return each(taps.output, (place, tap) => Number(winner.get(place) === tap));
}

// The sum of what all taps carry, by where they lead.
function summed(shape, places, carried) {
  const sums = new Array(sizeOf(shape)).fill(0);
  places.forEach((place, tap) => {
    if (place >= 0) sums[place] += carried(tap);
  });
  return sums;
}

const channelOf =
  ([, height, width]) =>
  (place) =>
    Math.floor(place / (height * width));

export function forward({ taps, shapes }, values, input, bias) {
  const read = (tap) => values[tap] * (input[taps.input[tap]] ?? 0);
  const channel = channelOf(shapes.output);
  const sums = summed(shapes.output, taps.output, read);
  return sums.map((sum, place) => sum + (bias[channel(place)] ?? 0));
}

// The gradients, where the outputs send back `sent`: the same taps, read the other way.
export function backward({ taps, shapes }, values, input, sent) {
  const back = (tap) => values[tap] * sent[taps.output[tap]];
  const carried = (tap) => (input[taps.input[tap]] ?? 0) * sent[taps.output[tap]];
  const channels = sent.map((_, place) => channelOf(shapes.output)(place));
  return {
    input: summed(shapes.input, taps.input, back),
    weight: summed(shapes.weight, taps.weight, carried),
    bias: summed([shapes.output[0]], channels, (place) => sent[place]),
  };
}

// The same taps as a table: a row for each output, a column for each input.
export function matrixOf({ taps, shapes }, values) {
  const columns = sizeOf(shapes.input);
  const rows = ranges(sizeOf(shapes.output)).map(() => new Array(columns).fill(0));
  taps.output.forEach((place, tap) => {
    if (taps.input[tap] >= 0) rows[place][taps.input[tap]] += values[tap];
  });
  return rows;
}
