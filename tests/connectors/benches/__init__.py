"""Benches of the vendors: each a fake server, its connector, and what people do there."""
