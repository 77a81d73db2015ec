"""
BFL in a box: Black Forest Labs' API on three local origins, for tests, demos and benches.

Written from public recordings of the real API; imports nothing else of the gateway, and only its
command line imports this.
"""

from gateway.emulator.counts import Counts
from gateway.emulator.server import Emulator
from gateway.emulator.settings import EmulatorSettings

__all__ = ["Counts", "Emulator", "EmulatorSettings"]
