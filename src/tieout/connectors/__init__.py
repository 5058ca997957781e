"""One file or folder a system. None of them imports another, and nothing here does I/O."""
