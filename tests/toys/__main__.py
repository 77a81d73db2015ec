"""`python -m tests.toys serve …`: the command line of a gateway to which the toys have been added."""

from __future__ import annotations

from tests.toys.added import toys_added

with toys_added():
    from gateway.cli import main

    main()
