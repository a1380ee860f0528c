"""Figures as cards, each leading to its rows."""

from collections.abc import Iterable, Mapping

from finops_core.insight import Figure, Tone
from ui import html
from ui.format import Format
from ui.html import Markup

TONES = {Tone.WAITING: "amber", Tone.BAD: "red", Tone.GOOD: "green"}
AMOUNTS_SHOWN = 2


def cards(
    figures: Iterable[Figure], shown: Format, spoken: Mapping[str, Mapping[str, str]], current: str = ""
) -> Markup:
    """One card a figure.

    Args:
        figures: in their order.
        shown: the organisation's way to write amounts.
        spoken: each one's address as the page's filters write it, by the figure's key.
        current: the key of the figure whose rows the page shows just now.
    """
    drawn = (_card(each, shown, spoken[each.key], current=each.key == current) for each in figures)
    return Markup(f'<div class="to-grid">{"".join(drawn)}</div>')


def _card(figure: Figure, shown: Format, query: Mapping[str, str], *, current: bool) -> Markup:
    tone = f" to-{TONES[figure.tone]}" if figure.value and figure.tone in TONES else ""
    amounts = html.lines(*shown.first_amounts(figure.amounts, AMOUNTS_SHOWN))
    body = (
        f'<span class="k">{html.text(figure.label)}</span><span class="v">{shown.count(figure.value)}</span>'
        f'<span class="d">{amounts}</span>'
    )
    here = " to-here" if current else ""
    return html.link(Markup(body), figure.page, query, css=f"to-figure{tone}{here}", current=current)
