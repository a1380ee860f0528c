"""Small pieces of HTML, escaped: badges, links, tables that turn into cards where they are narrow.

Real text instead of a canvas: it can be read aloud, searched, selected and tested. Everything that comes from a file,
a person or a provider passes through ``text``; only ``Markup`` is trusted.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from pathlib import Path
from urllib.parse import urlencode
from zlib import crc32

import streamlit as st

HERE = Path(__file__).parent
ORG, PRESENT = "org", "tieout_org"
MANY_COLUMNS = 6
CARDS_BELOW = {"slim": 560, "wide": 840}
ICON = '<span class="to-icon'
TONES = frozenset({"green", "red", "amber", "blue", "gray"})


class Markup(str):
    """HTML that was made here and is safe to show."""

    __slots__ = ()


Cell = str | int | Markup | None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: ``number`` ones are right-aligned, ``wide`` break anywhere, ``fixed`` never."""

    title: str
    number: bool = False
    wide: bool = False
    fixed: bool = False


def text(value: Cell) -> Markup:
    """A value as safe HTML; markup passes unchanged."""
    if isinstance(value, Markup):
        return value
    return Markup("" if value is None else escape(str(value)))


def join(*parts: Cell, by: str = " ") -> Markup:
    """Pieces side by side, empty ones left out."""
    return Markup(by.join(piece for piece in map(text, parts) if piece))


def badge(label: str, tone: str = "gray") -> Markup:
    """A word on a tinted ground."""
    return Markup(f'<span class="to-badge to-{_tone(tone)}">{escape(label)}</span>')


def icon(name: str, tone: str = "") -> Markup:
    """A Material symbol; decoration only, so it is hidden from readers."""
    tint = f" to-{_tone(tone)}" if tone else ""
    return Markup(f'{ICON}{tint}" aria-hidden="true">{escape(name)}</span>')


def faint(value: Cell, *, small: bool = True) -> Markup:
    """Less important words."""
    return Markup(f'<span class="to-faint{" to-small" if small else ""}">{text(value)}</span>')


def strong(value: Cell) -> Markup:
    """The important one of several."""
    return Markup(f"<strong>{text(value)}</strong>")


def fixed_tail(value: str) -> Markup:
    """Words whose last two stay together: ``Harbour Bank •••• 6789``."""
    head, *tail = value.rsplit(" ", 2)
    return join(head, Markup(f'<span class="to-fix">{escape(" ".join(tail))}</span>') if tail else "")


def lines(*parts: Cell) -> Markup:
    """Pieces below each other, empty ones left out; in a card's head they stand side by side."""
    return Markup("<br>".join(f"<span>{piece}</span>" for piece in map(text, parts) if piece))


def addressed(query: Mapping[str, str] | None = None) -> dict[str, str]:
    """A query with the organisation this tab is drawn for: numbers such as EX-2026-0001 repeat in each of them.

    It comes last, whether or not the query names it: what leads to the same place is the same address.
    """
    org = st.session_state.get(PRESENT, "")
    asked = dict(query or {})
    return {**{name: value for name, value in asked.items() if name != ORG}, ORG: str(org)} if org else asked


def href(page: str, query: Mapping[str, str] | None = None) -> str:
    """The address of a page inside the desk; "" is the home page. It names the organisation."""
    path = "/".join(filter(None, (_base(), page)))
    path = path if path.startswith("/") else f"/{path}"
    asked = addressed(query)
    return f"{path}?{urlencode(asked)}" if asked else path


def link(
    label: Cell, page: str, query: Mapping[str, str] | None = None, css: str = "", *, current: bool = False
) -> Markup:
    """A link inside the desk that does not load the page anew; ``current``: it leads to what is shown already."""
    style = f' class="{escape(css)}"' if css else ""
    here = ' aria-current="true"' if current else ""
    address = escape(href(page, query))
    return Markup(f'<a href="{address}" target="_self" data-inside="1"{style}{here}>{text(label)}</a>')


def static(name: str) -> str:
    """The address of one of our own files in ui/static."""
    return f"{_base()}/app/static/{name}"


def table(columns: Sequence[Column], rows: Iterable[Sequence[Cell]], label: str, *, cards: bool = True) -> Markup:
    """A table named ``label`` for readers; each row has one cell a column.

    ``cards``: whether its rows become cards where it is narrow; a table of two short columns is better left whole.
    """
    wide = " wide" if len(columns) >= MANY_COLUMNS else ""
    wrap = f"to-wrap{wide}" if cards else "to-whole"
    head = "".join(_header(column) for column in columns)
    body = "".join(_row(columns, row) for row in rows)
    return Markup(
        f'<div class="{wrap}"><div class="to-frame"><table class="to-table"><caption>{escape(label)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></div>"
    )


def framed(markup: Markup, label: str) -> Markup:
    """What is long, in a low frame that scrolls; it takes the focus, so that keys scroll it too."""
    return Markup(f'<div class="to-scrolled" tabindex="0" role="region" aria-label="{escape(label)}">{markup}</div>')


def facts(pairs: Iterable[tuple[str, Cell]]) -> Markup:
    """Labels with their values; pairs without a value are left out."""
    items = "".join(f"<div><dt>{escape(name)}</dt><dd>{text(value)}</dd></div>" for name, value in pairs if value)
    return Markup(f'<dl class="to-facts">{items}</dl>')


def definitions(pairs: Iterable[tuple[Cell, Cell]]) -> Markup:
    """Names with what they mean, one below the other."""
    items = "".join(f"<dt>{text(name)}</dt><dd>{text(value)}</dd>" for name, value in pairs)
    return Markup(f'<dl class="to-defs">{items}</dl>')


def more(summary: Cell, whole: Markup, *, open_: bool = False) -> Markup:
    """A few words that open to everything."""
    opened = " open" if open_ else ""
    return Markup(f'<details class="to-more"{opened}><summary>{faint(summary or "Open")}</summary>{whole}</details>')


def line(*parts: Cell) -> Markup:
    """Badges and facts in one line that may wrap; an icon stays before the words it belongs to."""
    pieces = [piece for piece in map(text, parts) if piece]
    if len(pieces) > 1 and pieces[0].startswith(ICON):
        led, *rest = pieces[1:]
        pieces = [Markup(f'<span class="to-led">{pieces[0]}<span>{led}</span></span>'), *rest]
    return Markup(f'<div class="to-line">{"".join(f"<span>{piece}</span>" for piece in pieces)}</div>')


def copier() -> Markup:
    """A button that puts the address of what is shown on the clipboard; links.js does it."""
    words = '<span data-words aria-live="polite">Copy link</span>'
    return Markup(f'<button type="button" class="to-copier" data-copy>{icon("link")}{words}</button>')


def told(icon_name: str, sentence: str, words: str, tone: str) -> Markup:
    """A sentence that matters, and below it what somebody wrote, as text and nothing else."""
    body = lines(strong(sentence), words)
    return Markup(f'<div class="to-told to-{_tone(tone)}" role="alert">{icon(icon_name)}<div>{body}</div></div>')


def draw(markup: Markup) -> None:
    """Put it on the page; nothing for nothing."""
    if markup:
        st.html(markup)


def draw_style() -> None:
    """The style sheet and the link script; the shell calls it in every run.

    Drawers hang outside Streamlit's own root, which alone knows the theme: the colour scheme is said to the whole page.
    """
    scheme = st.context.theme.type or "light"
    style = f"<style>:root{{color-scheme:{scheme}}}{_style()}</style>"
    script = f"<script>{_asset('links.js').replace('BASE', _base())}</script>"
    # One piece: it is large enough to be sent once a visit, and what a rerun sends is what takes its time.
    with st.container(key="unseen_style"):
        st.html(style + script, unsafe_allow_javascript=True)


def run_script(script: str) -> None:
    """Run our own script in the browser; takes no room on the page."""
    with st.container(key=f"unseen_{crc32(script.encode())}"):
        st.html(f"<script>{script}</script>", unsafe_allow_javascript=True)


def bring_into_view(key: str, occasion: str) -> None:
    """Scroll to the container with this key, once an occasion: on a phone what was pressed may stand far below it."""
    run_script(
        f"/* {occasion} */ setTimeout(() => document.querySelector('.st-key-{key}')"
        "?.scrollIntoView({block: 'nearest', behavior: 'smooth'}), 50)"
    )


def _header(column: Column) -> str:
    css = ' class="n"' if column.number else ""
    return f'<th scope="col"{css}>{text(column.title)}</th>'


def _row(columns: Sequence[Column], row: Sequence[Cell]) -> str:
    return f"<tr>{''.join(_cell(column, cell) for column, cell in zip(columns, row, strict=True))}</tr>"


def _cell(column: Column, cell: Cell) -> str:
    shown = text(cell)
    flags = (("n", column.number), ("w", column.wide), ("f", column.fixed), ("void", not shown))
    css = " ".join(name for name, on in flags if on)
    style = f' class="{css}"' if css else ""
    return f'<td{style} data-label="{escape(column.title)}"><div>{shown}</div></td>'


def _tone(name: str) -> str:
    return name if name in TONES else "gray"


def _base() -> str:
    """The path below which the desk is served: "" or one that begins with a slash."""
    base = (st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}" if base else ""


@lru_cache(maxsize=1)
def _style() -> str:
    cards = _asset("cards.css")
    narrow = (f"@container {name} (max-width: {width}px) {{{cards}}}" for name, width in CARDS_BELOW.items())
    return _asset("tieout.css") + "".join(narrow)


@lru_cache(maxsize=8)
def _asset(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")
