"""One file a system. None of them imports another, and nothing here does I/O."""
