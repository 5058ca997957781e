"""The proof that two sets of books agree: read, paired, compared and added up, a room each."""
