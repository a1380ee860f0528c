"""Figures as cards, each leading to its rows."""

from collections.abc import Iterable, Mapping

from finops_core.insight import Figure, Tone
from ui import html
from ui.format import Format
from ui.html import Markup

TONES = {Tone.WAITING: "amber", Tone.BAD: "red", Tone.GOOD: "green"}
AMOUNTS_SHOWN = 2


def cards(figures: Iterable[Figure], shown: Format, spoken: Mapping[str, Mapping[str, str]]) -> Markup:
    """One card a figure; ``spoken`` gives each one's address as the page's filters write it, by the figure's key."""
    return Markup(f'<div class="to-grid">{"".join(_card(each, shown, spoken[each.key]) for each in figures)}</div>')


def _card(figure: Figure, shown: Format, query: Mapping[str, str]) -> Markup:
    tone = f" to-{TONES[figure.tone]}" if figure.value and figure.tone in TONES else ""
    amounts = html.lines(*shown.first_amounts(figure.amounts, AMOUNTS_SHOWN))
    body = (
        f'<span class="k">{html.text(figure.label)}</span><span class="v">{shown.count(figure.value)}</span>'
        f'<span class="d">{amounts}</span>'
    )
    return html.link(Markup(body), figure.page, query, css=f"to-figure{tone}")
