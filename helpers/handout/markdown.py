"""Markdown in HTML that needs no script: formulas in MathML, and headings with the
anchors that repositories give them.
"""

import re

from jinja2 import pass_context
from jinja2.runtime import Context
from latex2mathml.converter import convert
from nbconvert.filters import html2text
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath


@pass_context
def in_html(context: Context, source: str) -> str:
    """Return the HTML of a markdown text, with what is attached to its cell."""
    attached = context.get("cell", {}).get("attachments", {})
    renderer = _Renderer(escape=False, attachments=attached)
    return MarkdownWithMath(renderer=renderer).render(source)


def anchor(heading: str) -> str:
    """Return the anchor of a heading, as GitHub and GitLab make it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


class _Renderer(IPythonRenderer):
    def heading(self, text: str, level: int, **_attributes: object) -> str:
        name = anchor(html2text(f"<p>{text}</p>"))
        return f'<h{level} id="{name}">{text}</h{level}>\n'

    def image(self, text: str, url: str, title: str | None = None) -> str:
        # What stands far below does not hold up the first bench.
        late = '<img loading="lazy" fetchpriority="low"'
        return super().image(text, url, title).replace("<img", late)

    def inline_math(self, body: str) -> str:
        return _formula(body, "inline")

    def block_math(self, body: str) -> str:
        return _formula(body, "block")

    def latex_environment(self, name: str, body: str) -> str:
        return _formula(rf"\begin{{{name}}}{body}\end{{{name}}}", "block")


def _formula(body: str, display: str) -> str:
    try:
        return convert(body, display=display)
    except Exception:  # of many kinds: what was typed stands there as it is
        return f"<code>{body}</code>"
