"""
Two systems that talk for a year: documents in memory on both sides, and who edits them.

For simulations and tests: nothing here is a real system, and nothing opens a connection.
"""
