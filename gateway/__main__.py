"""`python -m gateway`, the same as the command `gateway`."""

from __future__ import annotations

from gateway import cli
from gateway.cli import allocator


def main() -> None:
    allocator.settle()
    cli.main()


if __name__ == "__main__":
    main()
