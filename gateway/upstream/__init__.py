"""The sockets towards vendors. Foreign exceptions stop here."""
