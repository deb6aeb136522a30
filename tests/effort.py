"""How long the state machines look for a broken sentence: the same steps every time, or more of them on request.

DUES_EFFORT=20 pytest tests/domain/test_life.py     twenty times as many examples, other ones each time
"""

import os

from hypothesis import HealthCheck, settings

EFFORT = int(os.environ.get("DUES_EFFORT", "1"))


def effort(examples: int, steps: int) -> settings:
    """Settings of a state machine that runs so many examples of at most so many steps in `make test`."""
    return settings(
        max_examples=examples * EFFORT,
        stateful_step_count=steps,
        deadline=None,
        derandomize=EFFORT == 1,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
