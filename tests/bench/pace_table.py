"""Prints how well polls are timed: learned pace, oracle and half-second grid. `python -m tests.bench.pace_table`."""

from __future__ import annotations

from tests.jobs.pace_simulation import SCENARIOS, Score, compare

TASKS, SEED = 20_000, 20


def main() -> None:
    """One line per scenario; lag in milliseconds, means per task."""
    print("Polling tasks of about 7 s (log-normal): ms of lag beyond the round trip, and polls, both per task")
    print(
        f"{'completion times':<17}{'round trip':>11}{'learned pace':>17}{'oracle, same polls':>24}{'every 0.5 s':>17}"
    )
    for scenario in SCENARIOS:
        row = compare(scenario, TASKS, SEED)
        print(
            f"{scenario.name:<17}{_ms(scenario.rtt_s):>11}{_pair(row.pace):>17}"
            f"{_ms(row.oracle.lag_s):>14} (× {row.ratio:.2f}){_pair(row.grid):>19}"
        )


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def _pair(score: Score) -> str:
    return f"{_ms(score.lag_s)}, {score.polls:4.1f}"


if __name__ == "__main__":
    main()
