// Pages of small pictures, turned by one slider or two. Python sends all pages at once, so they
// turn without a kernel.

import { node, write, live } from "./base.js";
import { Shelf, themed, steady } from "./heat.js";

function render({ model, el }) {
  const pages = model.get("pages"),
    theme = themed(el);
  const says = node("p", { role: "status", class: "bench-status" }),
    shelf = new Shelf("gallery");
  el.append(says, shelf.element);

  function draw() {
    const within = (name, last) => Math.min(Math.max(model.get(name), 0), last);
    const across = model.get("across"),
      first = within("first", pages.length / across - 1);
    const page = pages[first * across + within("second", across - 1)];
    write(says, page.says);
    shelf.draw(page.strips, theme.palette());
  }

  return live(model, el, ["first", "second"], draw, steady(shelf.element, theme, draw));
}

export default { render };
