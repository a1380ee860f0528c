"""Streamlit only: the shell, sessions, formatting and drawing that pages share. No rule and no SQL lives here."""
