"""The table a run gave back: what is a number sorts as one, exactly, and what only looks like one stays text."""

from streamlit.testing.v1 import AppTest

from tests.pages.conftest import shown
from ui.format import Format
from ui.results import arranged, kinds_of, matching

TABLE = {
    "Row": (1, 2, 3, 4),
    "Currency": ("USD", "JPY", "KWD", "USD"),
    "Amount": ("90071992547409.91", "1250400", "819.730", "9042.10"),
    "Bank account": ("Harbour Bank •••• 6789", "Umi Bank •••• 3310", "", "Harbour Bank •••• 6789"),
    "Last four": ("6789", "3310", "4456", "6789"),
    "State": ("in_doubt", "created", "rejected", "created"),
}
ROWS = list(zip(*TABLE.values(), strict=True))
PLACES = {header: place for place, header in enumerate(TABLE)}


def by(header, **how):
    return [row[0] for row in arranged(ROWS, PLACES[header], **how)]


def test_amounts_sort_as_numbers_and_to_the_last_digit():
    assert by("Amount", number=True, falling=True) == [1, 2, 4, 3]
    assert by("Amount", number=True, falling=False) == [3, 4, 2, 1]
    near = [("90071992547409.91",), ("90071992547409.90",), ("90071992547409.92",)]
    assert [row[0][-2:] for row in arranged(near, 0, number=True, falling=False)] == ["90", "91", "92"]


def test_texts_sort_without_regard_to_case_and_empty_cells_come_last():
    assert by("Bank account", number=False, falling=False) == [1, 4, 2, 3]


def test_money_is_told_by_its_currencys_decimals_and_other_digits_stay_as_they_are():
    kinds = dict(zip(TABLE, kinds_of(TABLE), strict=True))

    assert [header for header, kind in kinds.items() if kind.money] == ["Amount"]
    assert [header for header, kind in kinds.items() if kind.number] == ["Row", "Amount"]


def test_rows_are_found_by_words_as_shown_and_as_stored():
    def found(text):
        return [row[0] for row in matching(ROWS, kinds_of(TABLE), text, Format())]

    assert found("9,042.10") == found("9042.1") == [4]
    assert found("in doubt") == found("in_doubt") == [1]
    assert found("harbour") == [1, 4]
    assert found("") == [1, 2, 3, 4]
    assert found("no such") == []


def a_viewer():
    from tests.pages.test_results import TABLE
    from ui.format import Format
    from ui.results import viewer

    viewer({**TABLE, "Problem": ("", "", None, "")}, "EX-2026-0001", Format())


def test_the_viewer_groups_amounts_names_states_and_leaves_out_what_is_empty():
    told = shown(AppTest.from_function(a_viewer).run())

    assert "<strong>90,071,992,547,409.91</strong>" in told
    assert "<div>In doubt</div>" in told
    assert "<div>6789</div>" in told
    assert "Problem" not in told
    assert "4 rows" in told


def test_the_viewer_sorts_and_searches():
    at = AppTest.from_function(a_viewer).run()

    at.selectbox(key="result_sort").set_value("Amount, smallest first").run()
    assert not at.exception
    told = shown(at)
    assert told.index("819.730") < told.index("9,042.10") < told.index("1,250,400") < told.index("90,071,992")

    at.text_input(key="result_find").set_value("umi").run()
    assert "1 row;" in shown(at)
    assert "Harbour Bank" not in shown(at)
    at.text_input(key="result_find").set_value("nothing like it").run()
    assert "Nothing matches" in shown(at)
