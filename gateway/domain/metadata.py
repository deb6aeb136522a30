"""Facts that merchants hang on objects: texts by key, within limits (SX-16, PM-19)."""

from collections.abc import Mapping
from typing import Final

from gateway.domain.errors import InvalidRequest

KEYS_MAX: Final = 50
KEY_LENGTH_MAX: Final = 40
VALUE_LENGTH_MAX: Final = 500


def merge(
    before: Mapping[str, str], given: Mapping[str, str | None] | None, *, param: str = "metadata"
) -> dict[str, str]:
    """`before` with what was given: a value sets its key, None takes it away; None for all takes all away.

    Raises:
        InvalidRequest: a key or value is too long, a key is empty or has brackets, or there are too many.
    """
    if given is None:
        return {}
    merged = dict(before)
    for key, value in given.items():
        path = f"{param}[{key[:KEY_LENGTH_MAX]}]"
        if not 1 <= len(key) <= KEY_LENGTH_MAX or "[" in key or "]" in key:
            raise InvalidRequest(
                f"A metadata key has 1 to {KEY_LENGTH_MAX} characters and no brackets.",
                code="invalid_metadata",
                param=path,
            )
        if value is None:
            merged.pop(key, None)
        elif len(value) > VALUE_LENGTH_MAX:
            raise InvalidRequest(
                f"A metadata value has at most {VALUE_LENGTH_MAX} characters.", code="invalid_metadata", param=path
            )
        else:
            merged[key] = value
    if len(merged) > KEYS_MAX:
        raise InvalidRequest(f"Metadata holds at most {KEYS_MAX} keys.", code="invalid_metadata", param=param)
    return merged
