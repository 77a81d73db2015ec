"""Colour profiles written tag by tag, of colour spaces for which no library makes one. ICC.1:2001-04."""

from __future__ import annotations

import struct

WHITE = struct.pack(">4sI3i", b"XYZ ", 0, 63190, 65536, 54061)  # D50


def profile(kind: bytes, space: bytes, connection: bytes, **tags: bytes) -> bytes:
    """`kind` as `prtr` or `mntr`; tags by name."""
    named = {"desc": struct.pack(">4sII", b"desc", 0, 2) + b"x\0" + bytes(78), "wtpt": WHITE, **tags}
    at, table, body = 128 + 4 + 12 * len(named), struct.pack(">I", len(named)), b""
    for name, data in named.items():
        table += struct.pack(">4sII", name.encode(), at + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I4sI4s4s4s", 128 + len(table + body), b"lcms", 0x02100000, kind, space, connection)
    date, light = struct.pack(">6H", 2020, 1, 1, 0, 0, 0), struct.pack(">3i", 63190, 65536, 54061)
    return (head + date + b"acsp" + bytes(28) + light).ljust(128, b"\0") + table + body


def _curve(gamma: float) -> bytes:
    return struct.pack(">4sIIH", b"curv", 0, 1, round(gamma * 256))


def grey(gamma: float) -> bytes:
    """Light is value to the power of `gamma`."""
    return profile(b"mntr", b"GRAY", b"XYZ ", kTRC=_curve(gamma))


def rotated(gamma: float) -> bytes:
    """RGB whose red is sRGB's green, whose green is its blue and whose blue its red."""
    red, green, blue = (
        struct.pack(">4sI3i", b"XYZ ", 0, *(round(part * 65536) for part in parts))
        for parts in ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
    )
    curve = _curve(gamma)
    return profile(b"mntr", b"RGB ", b"XYZ ", rXYZ=green, gXYZ=blue, bXYZ=red, rTRC=curve, gTRC=curve, bTRC=curve)


def cmyk(lightness: dict[tuple[int, int, int, int], int]) -> bytes:
    """Grey in print: L* by which inks are full, 100 where it is not said."""
    unit = struct.pack(">9i", *(65536, 0, 0, 0, 65536, 0, 0, 0, 65536))
    straight = bytes(range(256))
    nodes = [(c, m, y, k) for c in (0, 1) for m in (0, 1) for y in (0, 1) for k in (0, 1)]
    grid = b"".join(bytes((round(lightness.get(node, 100) * 2.55), 128, 128)) for node in nodes)
    table = struct.pack(">4sI4B", b"mft1", 0, 4, 3, 2, 0) + unit + straight * 4 + grid + straight * 3
    return profile(b"prtr", b"CMYK", b"Lab ", A2B0=table)
