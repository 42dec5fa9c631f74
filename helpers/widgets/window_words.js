// What a sliding-window bench says of one window: its sum, its formula, and what is left over.

import { number, plural } from "./base.js";
import { room, products } from "./windows.js";

// What the lines below the boards say of one window: its sum, the formula, and the same as a line
// of Python.
export function convolutionWords({ settings, out }, values, weights, result) {
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

export function poolingWords({ settings, out }, values, weights, result) {
  const { input_size: n, kernel_size: k, stride: s, padding: p } = settings;
  const { mode, ceil_mode: ceil, count_include_pad: zeros } = settings;
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
export function leftOver({ settings, out, inside }, reached) {
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
