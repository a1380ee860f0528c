"""Files: the list with its filters, one file beside it, and what is said about things."""

from finops_core import files
from tests.pages.conftest import shown


def test_without_files_the_page_says_what_will_come(at):
    assert "No file is stored yet" in shown(at("ana", "files"))


def test_a_file_stands_with_its_use_and_opens_with_its_versions(world, at):
    # Given the same name twice, once with the same content as somebody's
    first = world.planned("currency,maximum\nUSD,1.00\n")
    second = world.planned("currency,maximum\nUSD,2.00\n")

    # When Ana looks at the list, and opens the newer one
    told = shown(at("ana", "files"))
    screen = at("ana", "files", file=second.input_reference)

    # Then each names what it belongs to, and the drawer has both versions, the whole hash and the download
    assert f"execution={first.number}" in told
    assert "version 2" in told
    drawer = shown(screen)
    assert "Versions" in drawer
    assert "Version 1" in drawer
    assert second.input_sha256 in [each.value for each in screen.code]
    assert "Download" in [each.label for each in screen.get("download_button")]


def test_the_filters_stand_in_the_address_and_say_when_nothing_matches(world, at):
    seen = world.planned("currency,maximum\nUSD,3.00\n")

    assert seen.number in shown(at("eva", "files", file_find="CURRENCIES", file_kind="Given"))
    assert "Nothing matches" in shown(at("eva", "files", file_find="zanzibar"))
    assert "Nothing matches" in shown(at("eva", "files", file_kind="Attached"))


def test_somebody_elses_file_is_neither_listed_nor_opened(world, at):
    seen = world.planned("currency,maximum\nUSD,4.00\n", who="ana")
    with world.desk.work(world.actor("carla")) as work:
        other = files.find(work, _name("currencies"))[0]

    assert other.id == seen.input_reference
    assert "Not part of your role" in shown(at("ben", "files", file=seen.input_reference))
    assert "There is no such file" in shown(at("ana", "files", file="fr_nothing"))


def _name(words):
    from finops_core.kernel import sought

    return sought.read(words)


def test_of_more_comments_than_are_shown_the_rest_is_counted(world, at):
    seen = world.planned("currency\nUSD\n")
    with world.desk.work(world.actor("ana")) as work:
        for number in range(502):
            files.add_comment(work, "execution", seen.id, f"Comment {number}.")

    told = shown(at("ana", "executions", execution=seen.number, execution_view="Comments"))

    assert "The last 500 are shown; 2 earlier ones not." in told
    assert "Comment 501." in told
    assert "Comment 1." not in told


def test_a_comment_written_on_the_execution_stands_in_the_approvers_drawer(world, at):
    # Given Ana's request and her words about it
    seen = world.submitted("currency,maximum\nEUR,5.00\n")
    page = at("ana", "executions", execution=seen.number, execution_view="Comments")
    page.text_area[0].set_value("They <b>asked</b> for it early.")
    next(each for each in page.form_submit_button if each.label == "Send").click().run()
    assert not page.exception

    # When Ben opens the request
    told = shown(at("ben", "approvals", request=seen.approval_request_id))

    # Then he reads them, as text
    assert "They &lt;b&gt;asked&lt;/b&gt; for it early." in told
    assert "Ana Brito" in told


def test_attach_without_a_file_asks_for_one(world, at):
    seen = world.planned("currency\nUSD\n")
    page = at("ana", "executions", execution=seen.number, execution_view="Comments")

    next(each for each in page.form_submit_button if each.label == "Attach").click().run()

    assert "Choose a file first." in shown(page)


def test_several_files_of_a_page_are_chosen_and_taken_as_one_zip(world, at):
    # Given two files of Ana's
    for amount in ("31.00", "32.00"):
        world.planned(f"currency,maximum\nUSD,{amount}\n")
    screen = at("ana", "files")
    assert _zip_button(screen).proto.disabled

    # When she chooses two
    chosen = screen.multiselect[0]
    chosen.set_value(_ids(world)[:2]).run()

    # Then they are offered together
    assert not screen.exception
    assert (_zip_button(screen).label, _zip_button(screen).proto.disabled) == ("Download 2 files as ZIP", False)


def _ids(world):
    with world.desk.read(world.actor("ana")) as reading:
        return [row.id for row in files.page(reading, files.FileFilter(), 25).rows]


def _zip_button(screen):
    return next(each for each in screen.get("download_button") if each.label.endswith("as ZIP"))
