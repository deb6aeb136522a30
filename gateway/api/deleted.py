"""What is left of a deleted object."""

from typing import Literal

from msgspec import Struct


class DeletedObject(Struct, frozen=True, kw_only=True):
    """`{id, object, deleted: true}`, as the SDKs expect."""

    id: str
    object: str
    deleted: Literal[True] = True
