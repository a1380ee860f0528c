"""Parties: their bank details take two people and a time of cooling off, and their identity is checked."""
