"""Tieout's core: everything the finance operations desk does, without any screen.

Start with :func:`finops_core.desk.open_desk`. The floors of this package and what each may import are
listed in README.md and held by import-linter.
"""

VERSION = "0.1.0"
