"""What the benches of all vendors have in common."""

CANARY = "canary-7f3a9c"
"""Stands in every secret: the kit looks for it wherever it must not be."""
