"""The host's own application as a connector: its values, rows, methods and tables, a room each."""
