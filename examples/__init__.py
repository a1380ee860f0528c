"""Programs against finops_core; each runs as a test."""
