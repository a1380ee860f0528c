"""Housekeeping: health, clean-up, the demo company."""
