"""Calls, answers and bodies as values. A body is described here and rendered while it is sent, never built."""
