"""Where facts are kept: in memory for tests, in SQLite by default."""
