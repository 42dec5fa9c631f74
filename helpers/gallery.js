// Pages of small pictures, turned by one slider or two. Python sends all pages at once, so they turn without a kernel.

function render({ model, el }) {
  const pages = model.get("pages"), bytes = bytesOf(model.get("pixels")), theme = themed(el);
  const says = node("p", { role: "status", class: "bench-status" }), shelf = node("div", { class: "gallery" });
  const rows = [];
  el.append(says, shelf);

  function row() {
    const title = node("h4"), strip = new Strip();
    return { title, strip, element: shelf.appendChild(node("div", {}, title, strip.element)) };
  }

  function draw() {
    const within = (name, last) => Math.min(Math.max(model.get(name), 0), last);
    const across = model.get("across"), first = within("first", pages.length / across - 1);
    const page = pages[first * across + within("second", across - 1)], colours = theme.palette();
    write(says, page.says);
    page.strips.forEach(({ title, names, size: [height, width], start, signed, side }, i) => {
      const { title: heading, strip } = rows[i] ??= row();
      write(heading, title);
      heading.hidden = !title;
      strip.draw(names, height, width, bytes.subarray(start), signed ? colours : GREYS, side);
    });
    rows.forEach(({ element }, i) => { element.hidden = i >= page.strips.length; });
  }

  return live(model, el, ["first", "second"], draw, steady(shelf, theme, draw));
}

export default { render };
