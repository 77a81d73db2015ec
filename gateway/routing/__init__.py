"""Which target serves a request. Pure."""
