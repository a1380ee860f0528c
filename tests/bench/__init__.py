"""Figures as ratios against a floor measured in the same run: `make bench`. Nothing here asserts a time."""
