"""A form is drawn from an operation's parameters, whatever their kinds."""

from datetime import date

from streamlit.testing.v1 import AppTest


def every_kind():
    from datetime import date
    from enum import StrEnum
    from typing import Annotated, Literal

    import streamlit as st
    from pydantic import BaseModel, Field

    from ui.forms import parameters_form

    class Side(StrEnum):
        BANK = "bank side"
        LEDGER = "ledger side"

    class Parameters(BaseModel):
        name: str = Field(title="Your name", description="As on the badge", max_length=10)
        note: str | None = None
        count: Annotated[int, Field(ge=1, le=9)] = 3
        dry: bool = True
        side: Side = Side.LEDGER
        method: Literal["exact", "tolerance"]
        sides: list[Side] = [Side.BANK]
        day: date = date(2026, 11, 20)

    st.session_state["given"] = parameters_form(Parameters, "p")


def test_each_kind_of_parameter_has_its_widget_with_title_help_and_default():
    at = AppTest.from_function(every_kind).run()

    assert not at.exception
    assert at.text_input(key="p_name").label == "Your name \\*"
    assert at.text_input(key="p_name").help == "As on the badge"
    assert (at.number_input(key="p_count").min, at.number_input(key="p_count").max) == (1, 9)
    assert at.checkbox(key="p_dry").value
    assert at.selectbox(key="p_side").value == "Ledger side"
    assert at.selectbox(key="p_method").value is None
    assert at.multiselect(key="p_sides").value == ["Bank side"]
    assert at.date_input(key="p_day").value == date(2026, 11, 20)


def test_the_values_are_those_of_the_parameters_not_their_labels():
    at = AppTest.from_function(every_kind).run()
    at.text_input(key="p_name").set_value("Ana")
    at.selectbox(key="p_method").set_value("Tolerance")
    at.multiselect(key="p_sides").set_value(["Bank side", "Ledger side"])

    at.run()

    assert at.session_state["given"] == {
        "name": "Ana",
        "count": 3,
        "dry": True,
        "side": "ledger side",
        "method": "tolerance",
        "sides": ["bank side", "ledger side"],
        "day": date(2026, 11, 20),
    }
