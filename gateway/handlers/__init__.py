"""What lives at each path. Handlers may be cancelled with their client; the jobs they start may not."""
