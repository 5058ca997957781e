"""Keep a billing system and an accounting ledger in agreement."""
