// Where the windows of a sliding-window bench stand, what each reads, and what it weighs. Python
// and torch hold the truth; the tests compare every number shown with theirs.

import { total, crop, square } from "./base.js";

export const span = ({ kernel_size: k, dilation: d }) => d * (k - 1) + 1;
export const room = (settings) => settings.input_size + 2 * settings.padding - span(settings);
export const fits = (settings) =>
  room(settings) >= 0 &&
  (settings.mode === "convolution" || 2 * settings.padding <= settings.kernel_size);

function outputSize(settings) {
  const { input_size: n, stride: s, padding: p, ceil_mode = false } = settings;
  const size = Math.floor(room(settings) / s) + 1;
  return size + Number(ceil_mode && room(settings) % s > 0 && size * s < n + p);
}

// Everything the view shows follows from these few values of the model.
export function read(model) {
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

// What each number under the window at (top, left) weighs in the output, and so what it gets of the
// gradient.
export function weightsAt({ settings, kernel, padded, kind }, top, left) {
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

export const under = ({ padded, settings: { kernel_size, dilation: d } }, top, left) =>
  square(kernel_size, (i, j) => padded[top + i * d][left + j * d]);
export const products = (values, weights) =>
  values.map((row, i) => row.map((value, j) => weights[i][j] && value * weights[i][j]));

// What arrives at each number of the padded input when every output sends back 1.
export function gradientOf(state, weighed) {
  const { starts, side, settings } = state;
  const { dilation: d } = settings;
  const gradient = square(side, (i, j) => (state.kind(i, j) === "beyond" ? NaN : 0));
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
