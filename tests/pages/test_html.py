"""What comes from files and people is text, never markup."""

from ui import html
from ui.html import Column, Markup

EVIL = "<img src=x onerror=alert(1)>"


def test_a_cell_from_a_file_cannot_bring_markup():
    drawn = html.table([Column("Name"), Column(EVIL)], [(EVIL, html.strong(EVIL))], EVIL)

    assert "<img" not in drawn
    assert drawn.count("&lt;img") == 5


def test_badges_links_and_facts_escape_what_they_show():
    pieces = (html.badge(EVIL, EVIL), html.link(EVIL, "run", {"x": EVIL}), html.facts([("k", EVIL)]), html.line(EVIL))

    assert not [piece for piece in pieces if "<img" in piece]


def test_numbers_are_right_aligned_and_every_cell_knows_its_header():
    drawn = html.table([Column("Amount", number=True)], [("1.00 USD",)], "Amounts")

    assert '<td class="n" data-label="Amount"><div>1.00 USD</div></td>' in drawn


def test_a_link_keeps_its_query_and_stays_inside():
    drawn = html.link("Open", "executions", {"execution": "EX-2026-0001", "view": "Plan & more"})

    assert 'href="/executions?execution=EX-2026-0001&amp;view=Plan+%26+more"' in drawn
    assert "data-inside" in drawn


def test_only_markup_made_here_is_trusted():
    assert html.text("<b>") == "&lt;b&gt;"
    assert html.text(Markup("<b>")) == "<b>"
    assert html.lines("a", "", "<") == "<span>a</span><br><span>&lt;</span>"
