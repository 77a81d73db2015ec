"""The ledger in one SQLite file: durable before anything else happens, and never in the event loop's way."""
