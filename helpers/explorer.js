// The sliding-window bench, for convolution and for pooling. The page draws, and computes nothing but the windows and
// where they fit; Python and torch hold the truth, and tests/test_page.py compares every number shown here with theirs.

const PAUSE = 40; // milliseconds after a drawing until the sliders hear their new limits
const OUTSIDE = { convolution: "zero of the padding", max: "padding: −∞", average: "padding: a zero" };

const span = ({ kernel_size: k, dilation: d }) => d * (k - 1) + 1;
const room = (settings) => settings.input_size + 2 * settings.padding - span(settings);
const fits = (settings) => room(settings) >= 0 && (settings.mode === "convolution" || 2 * settings.padding <= settings.kernel_size);

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
  const pictures = model.get("input_presets"), kernels = model.get("kernel_presets");
  const input = crop(pictures[model.get("input_index")] ?? model.get("pixels"), n);
  const kernel = kernels[model.get("kernel_index")]?.[k - 1] ?? crop(model.get("weights"), k);
  const out = fits(settings) ? outputSize(settings) : 0;
  const starts = Array.from({ length: out }, (_, i) => i * s);
  const side = Math.max(n + 2 * p, s * (out - 1) + span(settings));
  const inside = (i) => i >= p && i < n + p, beyond = (i) => i >= n + 2 * p;
  const kind = (i, j) => (inside(i) && inside(j) ? "pixel" : beyond(i) || beyond(j) ? "beyond" : "pad");
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
    square(k, (i, j) => { if (padded[top + i][left + j] > padded[top + row][left + column]) [row, column] = [i, j]; });
    return square(k, (i, j) => Number(i === row && j === column));
  }
  const counts = square(k, (i, j) => ({ pixel: 1, pad: Number(zerosCount), beyond: 0 })[kind(top + i, left + j)]);
  return counts.map((row) => row.map((count) => count / total(counts)));
}

const under = ({ padded, settings: { kernel_size, dilation: d } }, top, left) =>
  square(kernel_size, (i, j) => padded[top + i * d][left + j * d]);
const products = (values, weights) => values.map((row, i) => row.map((value, j) => weights[i][j] && value * weights[i][j]));

// What arrives at each number of the padded input when every output sends back 1.
function gradientOf(state) {
  const { starts, side, settings: { dilation: d } } = state, gradient = square(side, (i, j) => (state.kind(i, j) === "beyond" ? NaN : 0));
  for (const top of starts) for (const left of starts)
    weightsAt(state, top, left).forEach((row, i) => row.forEach((weight, j) => { gradient[top + i * d][left + j * d] += weight; }));
  return gradient;
}

// What the lines below the boards say of one window: its sum, the formula, and the same as a line of Python.
function convolutionWords({ settings, out }, values, weights, result) {
  const { input_size: n, kernel_size: k, stride: s, padding: p, dilation: d } = settings;
  const list = products(values, weights).flat().map((value) => number(value, 2)).join(" + ").replaceAll("+ -", "− ");
  return {
    sum: `${k <= 3 ? list : `sum of ${k * k} products`} = ${number(result, 4)}`,
    formula: "output size = ⌊(input_size + 2·padding − dilation·(kernel_size − 1) − 1) / stride⌋ + 1\n" +
      `= ⌊(${n} + 2·${p} − ${d}·(${k} − 1) − 1) / ${s}⌋ + 1 = ${quotient(settings)} + 1 = ${out}`,
    code: `nn.Conv2d(1, 1, kernel_size=${k}, stride=${s}, padding=${p}, dilation=${d}, bias=False)`,
  };
}

function poolingWords({ settings, out }, values, weights, result) {
  const { input_size: n, kernel_size: k, stride: s, padding: p, mode, ceil_mode: ceil, count_include_pad: zeros } = settings;
  const read = values.flat().filter((value, i) => (mode === "max" ? value > -Infinity : weights.flat()[i] > 0));
  const equal = read.filter((value) => value === result).length, many = k > 3;
  const list = read.map((value) => number(value, 2)).join(mode === "max" ? ", " : " + ").replaceAll("+ -", "− ");
  const size = `kernel_size=${k}, stride=${s}, padding=${p}, ceil_mode=${ceil ? "True" : "False"}`;
  const [open, close] = ceil ? "⌈⌉" : "⌊⌋", dropped = ceil && Math.ceil(room(settings) / s) + 1 > out;
  return {
    ...(mode === "max" ? {
      sum: `largest of ${many ? plural(read.length, "number") : list} = ${number(result, 4)}` +
        (equal > 1 ? `. ${equal} are equal: the first gets the gradient.` : ""),
      code: `nn.MaxPool2d(${size})`,
    } : {
      sum: `${many ? `sum of ${plural(read.length, "number")}` : `(${list})`} / ${read.length} = ${number(result, 4)}`,
      code: `nn.AvgPool2d(${size}, count_include_pad=${zeros ? "True" : "False"})`,
    }),
    formula: `output size = ${open}(input_size + 2·padding − kernel_size) / stride${close} + 1\n` +
      `= ${open}(${n} + 2·${p} − ${k}) / ${s}${close} + 1 = ${quotient(settings)} + 1${dropped ? " − 1" : ""} = ${out}` +
      (dropped ? ", as the last window would start in the padding at the end and is dropped" : ""),
  };
}

// The fraction in its floor or ceiling, where it is one.
function quotient(settings) {
  const exact = room(settings) / settings.stride, [open, close] = settings.ceil_mode ? "⌈⌉" : "⌊⌋";
  return Number.isInteger(exact) ? String(exact) : `${open}${number(exact, 2)}${close}`;
}

// Where the last window ends, and which pixels no window reads.
function leftOver({ settings, out, inside }, reached) {
  const { input_size: n, stride: s } = settings, over = s * (out - 1) - room(settings);
  const place = over ? `${plural(Math.abs(over), "pixel")} ${over > 0 ? "beyond" : "before"}` : "at";
  return `${room(settings)} / ${s} leaves ${room(settings) % s}: the last window ends ${place} the edge of the padded input. ` +
    `${n * n - [...reached].filter(inside).length ** 2} of ${n * n} input pixels are read by no window.`;
}

const fraction = (value) => brief(value, 2).replace(/^0[.]/, "."); // short enough for a small cell
const plain = (classes) => classes.replace("pixel", "");

function render({ model, el }) {
  let state = read(model), sharing;
  const pooling = state.settings.mode !== "convolution";
  const goTo = (row, column) => {
    model.set("step", row * state.out + column);
    model.save_changes();
  };
  const editor = (part, trait, offset, value) => ({
    value,
    commit: (row, column, text) => {
      const typed = NUMBER.test(text) ? +text.replace(",", ".") : NaN;
      if (!(Math.abs(typed) <= 1e6))
        return write(status, `"${text}" is not a number up to a million; the cell keeps ${value(row, column)}.`);
      // What is edited starts as what is shown, inside what was typed before at larger sizes.
      const canvas = (part === "input" && model.get("input_presets")[model.get("input_index")]) || model.get(trait);
      const matrix = canvas.map((line, i) => line.map((old, j) => state[part][i]?.[j] ?? old));
      matrix[row - offset()][column - offset()] = typed;
      model.set(trait, matrix);
      model.set(`${part}_index`, model.get(`${part}_presets`).length); // "my own" follows the ready-made ones
      model.save_changes();
    },
  });

  const padding = () => state.settings.padding;
  const input = new Grid("Input with its padding", {
    edit: editor("input", "pixels", padding, (row, column) => state.input[row - padding()]?.[column - padding()]),
  });
  const output = new Grid("Output", { visit: goTo }), gradient = new Grid("Gradient of the input");
  const kernel = new Grid("Kernel", { largestCell: 67, edit: editor("kernel", "weights", () => 0, (row, column) => state.kernel[row][column]) });
  const values = new Grid("Values in the window", { largestCell: 67 }), shares = new Grid("Gradient of the window", { largestCell: 67 });
  const terms = new Grid("Products under the window", { largestCell: 67 });
  const large = pooling ? [input, output, gradient] : [input, output], small = pooling ? [values, shares] : [kernel, terms];

  const outside = node("span"), sum = node("p", { class: "bench-sum" });
  const legend = [["tap", "in the window"], ["pad", outside], ["unread", "read by no window"]];
  input.panel.append(node("p", { class: "bench-legend" }, ...legend.map(([name, text]) => node("span", {}, node("span", { class: `swatch ${name}` }), text))));
  small.at(-1).panel.append(sum);
  const formula = node("p", { class: "bench-formula" }), unread = node("p", { class: "bench-unread" });
  const status = node("p", { role: "status", class: "bench-status" });
  const { line, code } = codeLine(status);
  const middle = node("div", { class: "bench-middle" }, ...small.map((grid) => grid.panel));
  el.append(node("div", { class: "bench-panels" }, input.panel, middle, ...large.slice(1).map((grid) => grid.panel)), status, formula, unread, line);

  function draw() {
    const next = read(model);
    if (next.out < 1) return;
    state = next;
    const { settings, out, starts, kind } = state, { input_size: n, kernel_size: k, stride: s, dilation: d } = settings;
    const step = Math.min(model.get("step"), out * out - 1);
    const [row, column] = [Math.floor(step / out), step % out], [top, left] = [row * s, column * s];
    clearTimeout(sharing);
    sharing = setTimeout(share, PAUSE, step);

    const seen = under(state, top, left), weights = weightsAt(state, top, left);
    const results = starts.map((i) => starts.map((j) => total(products(under(state, i, j), weightsAt(state, i, j)))));
    const reached = new Set(starts.flatMap((start) => seen.map((_, tap) => start + tap * d)));
    const isTap = (i, start) => i >= start && i < start + span(settings) && (i - start) % d === 0;
    const tapped = (i, j) => kind(i, j) + (isTap(i, top) && isTap(j, left) ? " tap" : "");
    const missed = (i, j) => (kind(i, j) === "pixel" && !(reached.has(i) && reached.has(j)) ? " unread" : "");
    const around = n + 2 * padding(), frame = [top, left, span(settings)];

    input.numbers(`Input ${n}×${n}${around > n ? `, padded to ${around}×${around}` : ""}`, state.padded, (i, j) => tapped(i, j) + missed(i, j));
    input.enclose(...frame);
    output.numbers(`Output ${out}×${out}`, results, (i, j) => (i === row && j === column ? "current" : ""));
    output.select(row, column);
    if (pooling) {
      const within = (i, j) => kind(top + i, left + j);
      values.numbers(`Window ${k}×${k}`, seen, within);
      shares.numbers("Its gradient", weights, (i, j) => plain(within(i, j)));
      gradient.numbers("Gradient, each output sends back 1", gradientOf(state), (i, j) => plain(tapped(i, j)), fraction);
      gradient.enclose(...frame);
    } else {
      kernel.numbers(`Kernel ${k}×${k}`, weights);
      terms.numbers("Window × kernel", products(seen, weights));
    }
    [...large, ...small].forEach((grid) => grid.settle());
    const words = (pooling ? poolingWords : convolutionWords)(state, seen, weights, results[row][column]);
    write(sum, words.sum);
    write(formula, words.formula);
    write(code, words.code);
    write(unread, leftOver(state, reached));
    write(outside, OUTSIDE[settings.mode] + (settings.mode === "average" && !settings.count_include_pad ? ", not counted" : ""));
    write(status, `Step ${step}: output[${row}, ${column}] = ${number(results[row][column], 4)}`);
  }

  // What the sliders need to know; jslink carries it there, with or without a kernel. A limit that comes late does
  // no harm, as a window that does not fit is not drawn and its slider is sent back; a picture that comes late would.
  function share(step) {
    const told = [["step", step], ["step_max", state.out ** 2 - 1]];
    for (const [name, low, high] of limits(state.settings, model.get("ranges")))
      told.push([`${name}_min`, low], [`${name}_max`, high]);
    const news = told.filter(([name, value]) => model.get(name) !== value);
    news.forEach(([name, value]) => model.set(name, value));
    if (news.length) model.save_changes();
  }

  const names = [...model.get("names"), "mode_index", "step", "pixels", "weights", "input_index", "kernel_index"];
  const end = live(model, el, names, draw, (between) => {
    large.forEach((grid) => grid.fit(between(220, pooling ? 0.245 : 0.31, 340)));
    small.forEach((grid) => grid.fit(between(150, pooling ? 0.16 : 0.2, 200)));
  });
  return () => {
    clearTimeout(sharing);
    end();
  };
}

export default { render };
