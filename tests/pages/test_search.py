"""Search: the box on every page, and what the page shows of what was found."""

from finops_core import parties
from finops_core.parties import PartyKind
from tests.pages.conftest import shown


def test_every_page_has_the_box_with_its_organisation(at):
    boxes = [each.value for each in at("ana", "executions").sidebar.get("html") if "to-find" in each.value]

    assert len(boxes) == 1
    assert 'action="/search"' in boxes[0]
    assert 'name="q"' in boxes[0]
    assert 'name="org" value="harbour"' in boxes[0]


def test_without_words_the_page_says_what_can_be_looked_for(at):
    told = shown(at("ana", "search"))

    assert "What are you looking for?" in told
    assert "last four digits" in told


def test_what_was_found_stands_by_area_with_the_way_to_each(world, at):
    seen = world.submitted("currency,maximum\nUSD,987.65\n")

    screen = at("eva", "search", q="987.65")

    assert [each.value for each in screen.header] == ["Executions", "Approval requests", "Audit"]
    told = shown(screen)
    assert f"execution={seen.number}" in told
    assert "request=AP-" in told
    assert "things found" in told


def test_somebody_who_may_not_see_it_reads_that_nothing_matches(world, at):
    seen = world.planned("currency,maximum\nUSD,876.54\n")

    told = shown(at("ben", "search", q=seen.number))

    assert "Nothing matches" in told
    assert seen.number not in told.replace("EX-2026-0001", "")


def test_words_that_are_markup_are_shown_as_words(world, at):
    world.planned("currency,maximum\nUSD,1.99\n")

    screen = at("ana", "search", q="<script>alert(1)</script>")

    assert not screen.exception
    assert "<script>alert" not in shown(screen)


def test_a_party_that_was_found_leads_to_its_page(world, at):
    with world.desk.work(world.actor("ana")) as work:
        lumen = parties.add_party(work, PartyKind.COMPANY, "Lumen Lighting")

    screen = at("ben", "search", q="lumen")

    assert [each.value for each in screen.header] == ["Parties"]
    assert f"party={lumen}" in shown(screen)
