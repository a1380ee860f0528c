"""Screens without a browser: the shell and its pages in AppTest, over the real desk and the real sandbox."""
