"""One table: what was measured, here and in the reference, and whether the aim is met."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

HEADS = ("", "gateway", "bare aiohttp", "ratio", "aim", "", "others/stolen")


@dataclass(frozen=True, slots=True)
class Row:
    """
    `bare` is None where the reference was not run. The aim is a most for `ours`, or for the ratio when `aim_is_ratio`.

    `others` and `stolen` are the shares of the core that went to other programs and to the hypervisor meanwhile.
    """

    name: str
    unit: str
    ours: float
    bare: float | None
    aim: float | None = None
    aim_is_ratio: bool = False
    others: float = 0.0
    stolen: float = 0.0

    @property
    def ratio(self) -> float | None:
        return self.ours / self.bare if self.bare else None

    @property
    def cells(self) -> tuple[str, ...]:
        judged = self.ratio if self.aim_is_ratio else self.ours
        aim = "" if self.aim is None else f"≤ {self.aim:g}{' ×' if self.aim_is_ratio else ''}"
        verdict = "" if self.aim is None or judged is None else "ok" if judged <= self.aim else "miss"
        return (
            self.name,
            f"{number(self.ours)} {self.unit}",
            f"{number(self.bare)} {self.unit}" if self.bare is not None else "",
            f"{self.ratio:.2f} ×" if self.ratio is not None else "",
            aim,
            verdict,
            f"{self.others:.0%} / {self.stolen:.0%}",
        )


def number(value: float) -> str:
    """Three digits that matter."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def lines(rows: Iterable[Row]) -> list[str]:
    cells = [HEADS, *(row.cells for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
