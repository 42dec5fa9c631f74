// The tracer's layers. The page edits them, and works out every shape, count and sentence itself,
// with or without a kernel. Python holds the truth; the tests compare all that is shown here.

import { plural, node, write, codeLine, live } from "./base.js";

const LARGE = 1e9; // bytes of float32 that a layer may take before that is said
const MOST = 1e15; // numbers of one picture: torch can count so many for a batch
const NEIGHBOURS = 8; // pixels more and fewer at which pictures that would fit are looked for
const RARE = { dilation: 1, groups: 1 }; // stand behind "more" until they are others

const prod = (sizes) => sizes.reduce((product, size) => product * size, 1);
const gcd = (a, b) => (b ? gcd(b, a % b) : a);
const times = (shape) => shape.join("×");
const multiplied = (shape) => `${shape.join("·")} = ${prod(shape)}`;
const commas = (count) => count.toLocaleString("en-US");
const isDense = (part) => part.kind === "Linear";
const isWindow = (part) => "kernel_size" in part || "output_size" in part;

// A layer as it is along one axis; its settings are numbers, or two for height and width.
function along(part, axis) {
  const one = ([name, value]) => [name, Array.isArray(value) ? value[axis] : value];
  return Object.fromEntries(Object.entries(part).map(one));
}

function parametersOf(part) {
  const outer = part.out_features ?? part.out_channels;
  if (outer === undefined) return { count: 0, rule: "" };
  const sides = isDense(part) ? [] : [0, 1].map((axis) => along(part, axis).kernel_size);
  const inner = part.in_features ?? part.in_channels,
    groups = gcd(gcd(inner, outer), part.groups ?? 1);
  const rule = [groups > 1 ? `${inner}/${groups}` : inner, ...sides].join("·");
  return { count: ((inner * prod(sides)) / groups + 1) * outer, rule: `(${rule} + 1)·${outer}` };
}

// The size along one axis after a window, and why.
function sideAfter(part, side) {
  const { kernel_size: k, stride: s, padding: p, dilation: d = 1, output_padding: more } = part;
  const [reach, asked] = [`${d}·(${k} − 1)`, part.output_size];
  if (asked) return [asked, `output_size=${asked}: ${side} → ${asked}`];
  if (more !== undefined) {
    const size = (side - 1) * s - 2 * p + d * (k - 1) + more + 1,
      stamp = d === 1 ? `${k} + ${more}` : `${reach} + ${more} + 1`;
    return [size, `(${side} − 1)·${s} − 2·${p} + ${stamp} = ${size}`];
  }
  const size = Math.floor((side + 2 * p - d * (k - 1) - 1) / s) + 1;
  return [size, `⌊(${side} + 2·${p} − ${d === 1 ? k : `${reach} − 1`}) / ${s}⌋ + 1 = ${size}`];
}

function shapeAfter(part, before) {
  if (part.kind === "Flatten") return [[prod(before)], before[1] ? multiplied(before) : ""];
  if (isDense(part)) return [[...before.slice(0, -1), part.out_features], ""];
  if (!isWindow(part)) return [before, ""];
  const sides = before.slice(1).map((side, axis) => sideAfter(along(part, axis), side));
  const shape = [part.out_channels ?? before[0], ...sides.map(([size]) => size)];
  return [shape, [...new Set(sides.map(([, why]) => why))].join(",\n")];
}

// What a layer does not take of what arrives; `volume` is the last shape with axes.
function misfitOf(part, at, volume) {
  const misfit = isDense(part) ? denseMisfit : isWindow(part) ? windowMisfit : () => "";
  const wrong = misfit(part, at, volume);
  if (wrong || prod(shapeAfter(part, at)[0]) <= MOST) return wrong;
  return ` makes too many numbers of ${times(at)} for torch.`;
}

function denseMisfit({ in_features: wanted }, at, volume) {
  const takes = `in_features=${wanted}`;
  if (wanted === at.at(-1)) return "";
  if (at.length > 1) {
    const arrives = `a volume of ${times(at)} arrives`;
    const way = `flatten it first, which makes ${multiplied(at)}`;
    return ` takes a row of ${takes} numbers, and ${arrives}: ${way}.`;
  }
  const known = prod(volume) === at[0];
  const origin = known ? `, as ${times(volume)} flattened is ${multiplied(volume)}` : "";
  return ` takes ${takes}, and ${at} numbers arrive${origin}. Write in_features=${at}.`;
}

function windowMisfit(part, at) {
  const { in_channels: inner, out_channels: outer, groups = 1 } = part,
    most = gcd(gcd(inner, outer), groups);
  if (at.length === 1) {
    const row = `a row of ${plural(at[0], "number")} arrives`;
    return ` takes a volume C×H×W, and ${row}. Put it before the flattening.`;
  }
  const both = `both in_channels ${inner} and out_channels ${outer}`;
  if (most < groups) return `: groups ${groups} must divide ${both}. Use ${most}.`;
  const wrong = at.slice(1).map((side, axis) => sideMisfit(along(part, axis), side));
  return wrong.find(Boolean) ?? "";
}

function sideMisfit(part, side) {
  const { kernel_size: k, stride: s, padding: p, dilation: d = 1, output_padding: more } = part,
    [size] = sideAfter(part, side);
  if (more >= Math.max(s, d)) {
    const others = `stride ${s} or dilation ${d}. Use at most ${Math.max(s, d) - 1}`;
    return `: output_padding ${more} must be smaller than ${others}.`;
  }
  if (size >= 1) {
    const most = `kernel_size ${k}: use ${Math.floor(k / 2)} or less`;
    return 2 * p > k && !part.out_channels ? `: padding ${p} is more than half of ${most}.` : "";
  }
  if (more !== undefined) {
    const ends = `padding ${p} takes ${plural(p, "pixel")} off each end of ${size + 2 * p}`;
    return `: ${ends}, and none is left. Use at most ${Math.floor((size - 1) / 2) + p}.`;
  }
  const window = `A window of ${d * (k - 1) + 1} (kernel_size ${k}, dilation ${d})`;
  const room = `${plural(side + 2 * p, "pixel")} (input_size ${side}, padding ${p})`;
  const ways = "Use a smaller window, more padding or a larger picture.";
  return `: ${window} does not fit into ${room}. ${ways}`;
}

// Follow one picture through the layers: `parts` have all their settings, `rows` are what fits,
// with shape, parameters, and why. in_features follow up to `most`, or not at all where that is 0.
function trace(layers, shape, most = 0) {
  const found = { parts: [], rows: [], count: 0, misfit: "", remark: "" };
  let [at, volume, channels] = [shape, shape, shape[0]];
  for (const [place, { kind, ...how }] of layers.entries()) {
    const name = `layer ${place + 1} (${kind})`,
      part = { kind, ...(how.out_channels && { in_channels: channels }), ...how };
    channels = part.out_channels ?? channels;
    if (isDense(part) && most && !found.misfit) part.in_features = Math.min(prod(at), most);
    const { count, rule } = parametersOf(part);
    found.parts.push(part);
    found.count += count;
    if (found.misfit) continue;
    volume = at.length > 1 ? at : volume;
    const wrong = misfitOf(part, at, volume);
    found.misfit = wrong && name + wrong;
    found.ofTheRow = isDense(part) && at.length === 1;
    if (wrong) continue;
    if (isDense(part) && at.length > 1)
      found.remark ||= `${name} took the last axis alone: no Flatten?`;
    const [shape, why] = shapeAfter(part, at);
    const texts = [times(shape), why, count ? commas(count) : "", rule];
    found.rows.push({ name, shape, count, texts });
    at = shape;
  }
  return found;
}

// What the page says about the layers of a model; with `derive`, what follows is filled in.
function traced(model, derive = model.get("derive")) {
  const [channels, side, width] = ["channels", "side", "width"].map((name) => model.get(name));
  const shape = (more) => [channels, side + more, (width || side) + more];
  const [, most] = model.get("kinds").Linear.in_features;
  const found = trace(model.get("layers"), shape(0), derive ? most : 0),
    { parts, rows, misfit, remark } = found;
  found.trouble = misfit + (misfit && found.ofTheRow ? neighbours(parts, shape) : "");
  const ending = [`${commas(found.count)} parameters in all.`, memory(rows), remark];
  found.ending = ending.filter(Boolean).join(" ");
  found.code = `nn.Sequential(${parts.map(code).join(", ")})`;
  return found;
}

function neighbours(parts, shape) {
  const near = Array.from({ length: 2 * NEIGHBOURS + 1 }, (_, i) => shape(i - NEIGHBOURS));
  const fit = near.filter((one) => Math.min(...one) > 0 && !trace(parts, one).misfit),
    sizes = fit.map(([, ...sides]) => times(sides));
  const span = [...new Set([sizes[0], sizes.at(-1)])].join(" to ");
  return span && ` Or feed pictures of ${span}: those fit.`;
}

function memory(rows) {
  const weights = rows.map(({ count, name }) => [count, `parameters of ${name}`]);
  const outputs = rows.map(({ shape, name }) => [prod(shape), `output of ${name} for one picture`]);
  const [numbers, part] = [...weights, ...outputs].reduce((a, b) => (b[0] > a[0] ? b : a), [0]);
  if (4 * numbers <= LARGE) return "";
  const tenths = Math.floor((40 * numbers + LARGE / 2) / LARGE);
  const size = (tenths / 10).toLocaleString("en-US", { minimumFractionDigits: 1 });
  return `The ${part} would take ${size} GB as float32. Nothing of it was allocated here.`;
}

// The layer as a line of Python with its defaults left out.
function code({ kind, ...how }) {
  const usual = { padding: 0, output_padding: 0, stride: how.out_channels && 1, ...RARE };
  const said = Object.entries(how).filter(([name, value]) => value !== usual[name]);
  const words = said.map(([name, value]) => {
    const text = Array.isArray(value) ? `(${value.join(", ")})` : value;
    return name.endsWith("channels") ? text : `${name}=${text}`;
  });
  return `nn.${kind}(${kind === "Dropout" ? "p=0.5" : words.join(", ")})`;
}

const SIDES = /^\s*(\d+)(?:\s*[×x*]\s*(\d+))?\s*$/;
const HEADS = ["", "layer", "settings", "shape, and why", "parameters, and why", ""];
const shown = (value) => [value].flat().join("×");

// Edit a copy of a model's layers; the kernel hears of it where there is one.
function change(model, edit) {
  const layers = structuredClone(model.get("layers"));
  edit(layers);
  model.set("layers", layers);
  const stacks = model.get("stacks"),
    stack = stacks[model.get("network_index")];
  // "my own" follows the ready-made ones.
  if (JSON.stringify(stack) !== JSON.stringify(layers)) model.set("network_index", stacks.length);
  model.save_changes();
}

// Take the ready-made stack whose name has been chosen; Reset goes back to it.
function choose(model) {
  const network_index = model.get("network_index"),
    stack = model.get("stacks")[network_index];
  if (!stack) return;
  model.set("start", { ...model.get("start"), network_index });
  change(model, (layers) => layers.splice(0, Infinity, ...stack));
}

function reset(model) {
  for (const [name, value] of Object.entries(model.get("start"))) model.set(name, value);
  model.save_changes();
}

// What followed from the layers before stays as it is once it follows no more.
function keep(model) {
  if (model.get("derive")) return;
  const { parts } = traced(model, true);
  change(model, (layers) => {
    for (const [place, part] of parts.entries())
      if (isDense(part)) layers[place].in_features = part.in_features;
  });
}

function button(text, act, attributes) {
  const made = node("button", { type: "button", class: "jupyter-button", ...attributes }, text);
  made.addEventListener("click", act);
  return made;
}

// A number, or height×width: Enter or leaving the field keeps it, another goes to `refuse`.
function settingField(model, place, name, refuse) {
  const layer = () => model.get("layers")[place];
  const [min, max] = model.get("kinds")[layer().kind][name];
  const sided = model.get("sided").includes(name);
  const names = { name, "data-tool": name, "aria-label": `${name} of layer ${place + 1}` };
  const kind = sided ? { title: "Such as 3, or 3×2" } : { type: "number", min, max };
  const input = node("input", { ...names, ...kind });
  const take = () => {
    const before = shown(layer()?.[name]);
    if (input.value === before) return;
    const sides = input.value.match(SIDES)?.slice(1).filter(Boolean).map(Number) ?? [];
    const value = sides[0] === sides.at(-1) ? sides[0] : sides;
    const fits = sides.length > 0 && sides.every((side) => side >= min && side <= max);
    const wanted = `a whole number from ${min} to ${max}${sided ? ", or two as in 3×2" : ""}`;
    if (fits) change(model, (all) => Object.assign(all[place], { [name]: value }));
    else refuse(`${name} takes ${wanted}, not "${input.value}"; it stays ${before}.`);
    input.value = fits ? shown(value) : before;
  };
  input.addEventListener("change", take);
  input.addEventListener("keydown", (event) => {
    const step = sided ? { ArrowUp: 1, ArrowDown: -1 }[event.key] : 0;
    if (step) input.value = input.value.replace(/\d+/g, (side) => +side + step);
    // JupyterLab keeps to itself the Enter that would make a change of what is typed
    if (step || event.key === "Enter") take();
  });
  return input;
}

// The buttons behind a layer; `follow(place, tool)` says where the focus goes once it has moved.
function layerTools(model, place, follow) {
  const last = model.get("layers").length - 1;
  const swap = (to) => (all) => ([all[place], all[to]] = [all[to], all[place]]);
  const [above, below] = [Math.max(place - 1, 0), Math.min(place + 1, last)];
  return [
    ["↑", `Move layer ${place + 1} up`, above, swap(above)],
    ["↓", `Move layer ${place + 1} down`, below, swap(below)],
    ["✕", `Remove layer ${place + 1}`, Math.min(place, last - 1), (all) => all.splice(place, 1)],
  ].map(([text, label, to, edit]) => {
    const act = () => {
      follow(to, text);
      change(model, edit);
    };
    return button(text, act, { "data-tool": text, "aria-label": label, title: label });
  });
}

function kindChoice(model, place, follow) {
  const names = { "data-tool": "kind", "aria-label": `kind of layer ${place + 1}` };
  const options = Object.keys(model.get("kinds")).map((name) => node("option", {}, name));
  const select = node("select", names, ...options);
  select.value = model.get("layers")[place].kind;
  select.addEventListener("change", () => {
    follow(place, "kind");
    change(model, (all) => all.splice(place, 1, { ...model.get("fresh")[select.value] }));
  });
  return select;
}

function layerRow(model, place, refuse, follow) {
  const names = Object.keys(model.get("kinds")[model.get("layers")[place].kind]);
  const fields = names.map((name) => settingField(model, place, name, refuse));
  const labels = fields.map((input) => node("label", {}, `${input.name} `, input));
  const [rare, plain] = [true, false].map((is) => labels.filter((_, i) => names[i] in RARE === is));
  const more = node("details", {}, node("summary", {}, "more"), ...rare);
  const found = ["", "rule", "", "rule"].map((name) => node("span", { class: name }));
  const cells = [
    [kindChoice(model, place, follow)],
    rare.length ? [...plain, more] : plain,
    found.slice(0, 2),
    found.slice(2),
    layerTools(model, place, follow),
  ];
  const columns = cells.map((parts) => node("td", {}, ...parts));
  const row = node("tr", {}, node("th", {}, String(place + 1)), ...columns);
  return { row, fields, found, more };
}

// The rows of the layers: made anew where their kinds have changed, and else only filled in.
class Rows {
  constructor(model, add, note) {
    Object.assign(this, { model, add, note, body: node("tbody"), all: [], kinds: "" });
  }

  #make(layers) {
    const refuse = (text) => write(this.note, text);
    const follow = (...to) => (this.focus = to);
    this.all = layers.map((_, place) => layerRow(this.model, place, refuse, follow));
    this.body.replaceChildren(...this.all.map(({ row }) => row));
    if (!this.focus) return;
    const [place, tool] = this.focus;
    (this.all[place]?.row.querySelector(`[data-tool="${tool}"]`) ?? this.add).focus();
    this.focus = undefined;
  }

  draw({ parts, rows, misfit }, derive) {
    const kinds = parts.map((part) => part.kind).join();
    if (kinds !== this.kinds) this.#make(parts);
    else write(this.note, "");
    this.kinds = kinds;
    this.all.forEach(({ row, fields, found, more }, place) => {
      const wrong = misfit !== "" && place === rows.length,
        texts = rows[place]?.texts ?? [wrong ? "✗" : ""];
      for (const input of fields) {
        const value = shown(parts[place][input.name]);
        if (input.value !== value) input.value = value;
        if (input.name in RARE && value !== "1") more.open = true;
        input.disabled = input.name === "in_features" && derive;
      }
      found.forEach((part, column) => write(part, texts[column] ?? ""));
      row.classList.toggle("wrong", wrong);
    });
  }
}

function render({ model, el }) {
  const { line, code: text, note } = codeLine(),
    ending = node("p");
  const status = node("p", { role: "status", class: "bench-status" });
  const head = node("thead", {}, node("tr", {}, ...HEADS.map((name) => node("th", {}, name))));
  const more = () => change(model, (all) => all.push({ ...model.get("fresh").ReLU })),
    add = button("Add a layer", more);
  const again = button("Reset", () => reset(model), { title: "Network and picture as they were" });
  const rows = new Rows(model, add, note),
    table = node("table", { class: "trace" }, head, rows.body);
  el.append(node("div", { class: "trace-scroll" }, table), add, again, status, ending, line);

  function draw() {
    const found = traced(model);
    rows.draw(found, model.get("derive"));
    add.disabled = found.parts.length >= model.get("most");
    write(status, found.trouble && `✗ ${found.trouble}`);
    write(ending, found.ending);
    write(text, found.code);
  }

  const [chosen, kept] = [() => choose(model), () => keep(model)];
  model.on("change:network_index", chosen);
  model.on("change:derive", kept);
  const end = live(model, el, ["layers", "channels", "side", "width", "derive"], draw, () => {});
  return () => {
    end();
    model.off("change:network_index", chosen);
    model.off("change:derive", kept);
  };
}

export default { render };
