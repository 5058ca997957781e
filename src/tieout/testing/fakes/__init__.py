"""
Stateful doubles of vendors' servers, each of which *is* a `tieout.wire.Transport`.

They share no code with the connectors, and need nothing but the standard library and
`tieout.wire`.
"""
