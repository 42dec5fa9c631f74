// The tracer's layers. The page edits them; the kernel works out every shape, count and sentence.

function render({ model, el }) {
  const kinds = model.get("kinds"), body = node("tbody"), status = node("p", { role: "status", class: "bench-status" }), ending = node("p");
  const titles = ["", "layer", "settings", "shape, and why", "parameters, and why", ""];
  const table = node("table", { class: "trace" }, node("thead", {}, node("tr", {}, ...titles.map((text) => node("th", {}, text)))), body);
  const add = node("button", { type: "button", class: "jupyter-button" }, "Add a layer");
  const { line, code } = codeLine(status);
  el.append(node("div", { class: "trace-scroll" }, table), add, status, ending, line);
  let rows = [], drawn = "";

  const change = (edit) => {
    const layers = structuredClone(model.get("layers"));
    edit(layers);
    model.set("layers", layers);
    model.save_changes();
  };
  const fresh = (kind) => ({ kind, ...Object.fromEntries(Object.entries(kinds[kind]).map(([name, range]) => [name, range[2]])) });
  const button = (text, label, act) => {
    const element = node("button", { type: "button", class: "jupyter-button", "aria-label": label, title: label }, text);
    element.addEventListener("click", act);
    return element;
  };
  add.addEventListener("click", () => model.get("layers").length < model.get("most") && change((layers) => layers.push(fresh("ReLU"))));

  function field(place, name) {
    const [low, high] = kinds[model.get("layers")[place].kind][name];
    const input = node("input", { type: "number", name, min: low, max: high, step: 1, "aria-label": `${name} of layer ${place + 1}` });
    const keep = () => {
      const before = model.get("layers")[place][name], number = +input.value;
      if (input.value === String(before)) return;
      if (input.value && Number.isInteger(number) && low <= number && number <= high)
        return change((layers) => { layers[place][name] = number; });
      write(status, `${name} takes a whole number from ${low} to ${high}, not "${input.value}"; it stays ${before}.`);
      input.value = before;
    };
    input.addEventListener("change", keep);
    input.addEventListener("keydown", (event) => event.key === "Enter" && keep());
    return [name, input];
  }

  function makeRow({ kind }, place) {
    const select = node("select", { "aria-label": `kind of layer ${place + 1}` }, ...Object.keys(kinds).map((name) => node("option", {}, name)));
    select.value = kind;
    select.addEventListener("change", () => change((layers) => { layers[place] = fresh(select.value); }));
    const fields = Object.keys(kinds[kind]).map((name) => field(place, name)), found = ["", "rule", "", "rule"].map((name) => node("span", { class: name }));
    const labels = fields.map(([name, input]) => node("label", {}, `${name} `, input));
    const swap = (other) => change((layers) => { [layers[place], layers[other]] = [layers[other], layers[place]]; });
    const tools = [
      button("↑", `Move layer ${place + 1} up`, () => place && swap(place - 1)),
      button("↓", `Move layer ${place + 1} down`, () => place + 1 < rows.length && swap(place + 1)),
      button("✕", `Remove layer ${place + 1}`, () => change((layers) => layers.splice(place, 1))),
    ];
    const row = node("tr", {}, node("th", {}, String(place + 1)), node("td", {}, select), node("td", {}, ...labels), node("td", {}, ...found.slice(0, 2)), node("td", {}, ...found.slice(2)),
      node("td", {}, ...tools));
    return { row, fields, found, select };
  }

  function draw() {
    const layers = model.get("layers"), results = model.get("results"), shape = JSON.stringify(layers.map((layer) => layer.kind));
    if (shape !== drawn) { // keep the focus where it was, on a row of the same number
      const old = [...body.querySelectorAll("select, input, button")], at = old.indexOf(document.activeElement);
      rows = layers.map(makeRow);
      body.replaceChildren(...rows.map(({ row }) => row));
      if (at >= 0) [...body.querySelectorAll("select, input, button")][Math.min(at, old.length - 1)]?.focus();
      drawn = shape;
    }
    rows.forEach(({ row, fields, found }, place) => {
      for (const [name, input] of fields) {
        if (input.value !== String(layers[place][name])) input.value = layers[place][name];
        input.disabled = name === "in_features" && model.get("derive");
      }
      const wrong = model.get("trouble") !== "" && place === results.length;
      found.forEach((part, column) => write(part, results[place]?.[column] ?? (wrong && column === 0 ? "✗" : "")));
      row.classList.toggle("wrong", wrong);
    });
    write(status, model.get("trouble") && `✗ ${model.get("trouble")}`);
    write(ending, model.get("ending"));
    write(code, model.get("code"));
  }

  return live(model, el, ["layers", "results", "trouble", "ending", "code", "derive"], draw, () => {});
}

export default { render };
