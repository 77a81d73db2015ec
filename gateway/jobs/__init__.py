"""The life of a paid job. From here on the job is owned by the supervisor, not by a connection."""
