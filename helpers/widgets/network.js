// Layers of torch, computed in the page: kinds, settings and the order of the numbers are torch's.
// A tensor is { shape: [N, …], data: Float32Array }. network.py makes the layers;
// tests/page/test_network.py compares each kind with torch.

import { bytesOf } from "./heat.js";

const product = (sizes) => sizes.reduce((all, size) => all * size, 1);
export const tensor = (sizes, data = new Float32Array(product(sizes))) => ({ shape: sizes, data });

function fromHalf(bits) {
  const exponent = (bits >> 10) & 31,
    fraction = bits & 1023;
  const value = exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24;
  return bits >> 15 ? -value : value;
}

function unpacked({ shape: sizes, type, data }) {
  const { buffer } = bytesOf(data);
  if (type === "float32") return tensor(sizes, new Float32Array(buffer));
  return tensor(sizes, Float32Array.from(new Uint16Array(buffer), fromHalf));
}

// The layers that Python described, with their weights as numbers.
export const unpackedLayers = (layers) =>
  layers.map((layer) => {
    const { weight, bias } = layer;
    return { ...layer, weight: weight && unpacked(weight), bias: bias && unpacked(bias) };
  });

function linear({ weight, bias }, { shape: sizes, data }) {
  const [makes, takes] = weight.shape,
    made = tensor([...sizes.slice(0, -1), makes]);
  made.data.forEach((_, at) => {
    const row = at % makes,
      from = ((at - row) / makes) * takes;
    let sum = bias ? bias.data[row] : 0;
    for (let i = 0; i < takes; i++) sum += weight.data[row * takes + i] * data[from + i];
    made.data[at] = sum;
  });
  return made;
}

// For which i, from the first to before the last, start + i · step is a place among `size`.
function inside(start, step, size, count) {
  const first = Math.max(0, Math.ceil(-start / step));
  return [first, Math.min(count, Math.floor((size - 1 - start) / step) + 1)];
}

// A window slides over a big board and has one place in a small one for each of its positions. For
// each tap and row `act` is told where both begin, and how many places of the small board follow;
// in the big one the next is a stride away.
function slide({ kernel, stride, padding, dilation }, [high, wide], [rows, columns], act) {
  for (let tap = 0; tap < kernel[0] * kernel[1]; tap++) {
    const top = Math.floor(tap / kernel[1]) * dilation[0] - padding[0],
      left = (tap % kernel[1]) * dilation[1] - padding[1];
    const [first, last] = inside(top, stride[0], high, rows);
    const [from, to] = inside(left, stride[1], wide, columns);
    for (let i = first; i < last; i++) {
      const big = (top + i * stride[0]) * wide + left + from * stride[1];
      act(tap, big, i * columns + from, to - from);
    }
  }
}

const convolved = ({ kernel, stride, padding, dilation }, sizes) =>
  sizes.map((size, axis) => {
    const span = dilation[axis] * (kernel[axis] - 1) + 1;
    return Math.floor((size + 2 * padding[axis] - span) / stride[axis]) + 1;
  });

const stamped = ({ kernel, stride, padding, dilation, output_padding: more }, sizes) =>
  sizes.map((size, axis) => {
    const span = dilation[axis] * (kernel[axis] - 1) + 1;
    return (size - 1) * stride[axis] - 2 * padding[axis] + span + more[axis];
  });

// With ceil_mode a last window may stick out, if it begins before the padding behind the end.
const pooled = (settings, sizes) =>
  convolved(settings, sizes).map((count, axis) => {
    const { stride, padding, dilation, kernel, ceil_mode: ceil } = settings,
      padded = sizes[axis] + padding[axis];
    const span = dilation[axis] * (kernel[axis] - 1) + 1;
    const sticksOut = (count - 1) * stride[axis] + span < padded + padding[axis];
    return count + Number(ceil && sticksOut && count * stride[axis] < padded);
  });

// A convolution gathers from the big board into the small one; a transposed one spreads the small
// one over the big one, with the same weights at the same places.
function convolve(transposed, layer, input) {
  const { weight, bias, groups } = layer,
    [smalls, bigs, ...kernel] = weight.shape,
    taps = product(kernel),
    settings = { ...layer, kernel };
  const [count, , ...sizes] = input.shape,
    made = (transposed ? stamped : convolved)(settings, sizes),
    makes = transposed ? bigs * groups : smalls;
  const output = tensor([count, makes, ...made]),
    area = product(made);
  if (bias)
    for (let at = 0; at < count * makes; at++)
      output.data.fill(bias.data[at % makes], at * area, (at + 1) * area);
  const [small, big] = transposed ? [input, output] : [output, input],
    [smallBoard, bigBoard] = [small, big].map((one) => one.shape.slice(2)),
    [smallArea, bigArea] = [smallBoard, bigBoard].map(product);
  const step = layer.stride[1];
  for (let pair = 0; pair < count * smalls * bigs; pair++) {
    const plane = Math.floor(pair / bigs), // of the small boards
      channel = plane % smalls,
      group = Math.floor((channel * groups) / smalls),
      example = Math.floor(plane / smalls);
    const smallStart = plane * smallArea,
      bigStart = ((example * groups + group) * bigs + (pair % bigs)) * bigArea,
      weightStart = (channel * bigs + (pair % bigs)) * taps;
    slide(settings, bigBoard, smallBoard, (tap, bigRow, smallRow, places) => {
      const factor = weight.data[weightStart + tap];
      let from = bigStart + bigRow;
      for (let at = smallStart + smallRow; places > 0; places--, at++, from += step)
        if (transposed) big.data[from] += factor * small.data[at];
        else small.data[at] += factor * big.data[from];
    });
  }
  return output;
}

// Each window's numbers by two at a time, from `start` on.
function pool(layer, { shape: [count, channels, ...sizes], data }, start, join) {
  const settings = { dilation: [1, 1], ...layer, kernel: layer.kernel_size },
    made = pooled(settings, sizes),
    output = tensor([count, channels, ...made]);
  output.data.fill(start);
  for (let plane = 0; plane < count * channels; plane++)
    slide(settings, sizes, made, (_tap, big, small, places) => {
      let from = plane * product(sizes) + big;
      for (let at = plane * product(made) + small; places > 0; places--, at++) {
        output.data[at] = join(output.data[at], data[from]);
        from += settings.stride[1];
      }
    });
  return output;
}

// How many numbers each window of an average counts along one axis.
function counted({ kernel_size: kernel, stride, padding, count_include_pad: all }, axis, size) {
  const edge = all ? padding[axis] : 0;
  return (i) => {
    const begin = i * stride[axis] - padding[axis],
      end = Math.min(begin + kernel[axis], size + padding[axis]);
    return Math.min(end, size + edge) - Math.max(begin, -edge);
  };
}

function averagePool(layer, input) {
  const sums = pool(layer, input, 0, (one, other) => one + other),
    [rows, columns] = sums.shape.slice(2);
  const [high, wide] = [0, 1].map((axis) => counted(layer, axis, input.shape[2 + axis]));
  sums.data.forEach((sum, at) => {
    const count = high(Math.floor(at / columns) % rows) * wide(at % columns);
    sums.data[at] = sum / (layer.divisor_override ?? count);
  });
  return sums;
}

const place = (dim, rank) => (dim < 0 ? dim + rank : dim);

function softmax({ dim }, { shape: sizes, data }) {
  const implied = sizes.length === 3 ? 0 : 1, // what torch takes without a dim
    axis = place(dim ?? implied, sizes.length),
    size = sizes[axis],
    step = product(sizes.slice(axis + 1)),
    made = tensor(sizes);
  for (let line = 0; line < data.length / size; line++) {
    const start = Math.floor(line / step) * step * size + (line % step),
      places = Array.from({ length: size }, (_, i) => start + i * step);
    const most = Math.max(...places.map((at) => data[at])),
      powers = places.map((at) => Math.exp(data[at] - most)),
      all = powers.reduce((sum, one) => sum + one);
    places.forEach((at, i) => {
      made.data[at] = powers[i] / all;
    });
  }
  return made;
}

function flatten({ start_dim: start, end_dim: end }, { shape: sizes, data }) {
  const [first, last] = [start, end].map((dim) => place(dim, sizes.length)),
    joined = product(sizes.slice(first, last + 1));
  return tensor([...sizes.slice(0, first), joined, ...sizes.slice(last + 1)], data);
}

function unflatten({ dim, unflattened_size: parts }, { shape: sizes, data }) {
  const axis = place(dim, sizes.length),
    left = Math.abs(sizes[axis] / product(parts)); // for a part of −1
  const whole = parts.map((size) => (size < 0 ? left : size));
  return tensor([...sizes.slice(0, axis), ...whole, ...sizes.slice(axis + 1)], data);
}

const each = (change) => (layer, input) =>
  tensor(
    input.shape,
    input.data.map((value) => change(value, layer)),
  );

const KINDS = {
  Linear: linear,
  Conv2d: (layer, input) => convolve(false, layer, input),
  ConvTranspose2d: (layer, input) => convolve(true, layer, input),
  MaxPool2d: (layer, input) => pool(layer, input, -Infinity, Math.max),
  AvgPool2d: averagePool,
  Affine: each((value, { factor, term }) => factor * value + term),
  ReLU: each((value) => Math.max(value, 0)),
  Sigmoid: each((value) => 1 / (1 + Math.exp(-value))),
  Softmax: softmax,
  Flatten: flatten,
  Unflatten: unflatten,
};

// What the unpacked layers make of a tensor, one after the other; `hear` is told of each.
export const run = (layers, input, hear = () => {}) =>
  layers.reduce((at, layer) => {
    const made = KINDS[layer.kind](layer, at);
    hear(layer, made);
    return made;
  }, input);
