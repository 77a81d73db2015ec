"""
The tables, by version. A version is never changed after its release: a new one is added, which old ones lead to.

Times are wall time in seconds. Nothing here is a client's picture or prompt, nor a key of anybody's.
"""

from __future__ import annotations

import apsw

from gateway.stores.sqlite.broken import LedgerUnusable

# What is open, or the operator's business: few rows among many.
NOTABLE = "state IN ('intent', 'submitted', 'parked', 'ready', 'unknown', 'lost')"

VERSIONS = (
    f"""
    CREATE TABLE owner (epoch INTEGER NOT NULL);
    INSERT INTO owner VALUES (0);

    CREATE TABLE jobs (
        id TEXT PRIMARY KEY, caller TEXT NOT NULL, fingerprint TEXT NOT NULL, key TEXT, platform TEXT NOT NULL,
        model TEXT NOT NULL, n INTEGER NOT NULL, reply TEXT NOT NULL, created REAL NOT NULL
    );
    CREATE INDEX jobs_by_content ON jobs (caller, fingerprint);
    CREATE INDEX jobs_by_key ON jobs (caller, key) WHERE key IS NOT NULL;
    CREATE INDEX jobs_by_age ON jobs (created);

    CREATE TABLE submissions (
        job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE, idx INTEGER NOT NULL, state TEXT NOT NULL,
        owner INTEGER NOT NULL, changed REAL NOT NULL, ticket TEXT, made TEXT, ref TEXT, error TEXT,
        PRIMARY KEY (job, idx)
    ) WITHOUT ROWID;
    CREATE INDEX submissions_notable ON submissions (state) WHERE {NOTABLE};
    CREATE INDEX submissions_by_ref ON submissions (ref) WHERE ref IS NOT NULL;

    CREATE TABLE books (
        caller TEXT NOT NULL, period TEXT NOT NULL, unit TEXT NOT NULL, micros INTEGER NOT NULL,
        PRIMARY KEY (caller, period, unit)
    ) WITHOUT ROWID;
    CREATE TABLE reserved (
        id TEXT PRIMARY KEY, caller TEXT NOT NULL, jobs INTEGER NOT NULL, money TEXT NOT NULL, periods TEXT NOT NULL
    ) WITHOUT ROWID;
    """,
)


def migrate(db: apsw.Connection) -> None:
    """Bring the tables to the newest version, in one step. Raises: LedgerUnusable for a file of a newer gateway."""
    found = int(db.pragma("user_version"))
    if found > len(VERSIONS):
        raise LedgerUnusable(
            f"{db.filename} was written by a newer gateway (version {found}, this one knows {len(VERSIONS)}): "
            "start that one, or move the file away and lose what it remembers"
        )
    if found < len(VERSIONS):
        with db:
            for version in VERSIONS[found:]:
                db.execute(version)
            db.pragma("user_version", len(VERSIONS))
