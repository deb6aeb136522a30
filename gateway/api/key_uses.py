"""When keys were last used: noted in memory with each request, and written at most once a minute for each key."""

import logging
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from gateway.db.engine import Books
from gateway.db.errors import BooksError
from gateway.services import api_keys
from gateway.services.api_keys import USE_NOTED_EVERY

_log: Final = logging.getLogger(__name__)


@dataclass(slots=True)
class KeyUses:
    """What this process knows of its keys: when it wrote a use last, and which have to be written now."""

    written: dict[str, datetime] = field(default_factory=dict)
    due: set[str] = field(default_factory=set)

    def saw(self, key_id: str, used_at: datetime | None, now: datetime) -> None:
        """Notice that a key opens something; `used_at` is what the books say."""
        known = self.written.get(key_id, used_at)
        if known is None or now - known >= USE_NOTED_EVERY:
            self.due.add(key_id)

    async def write(self, books: Books, now: datetime) -> None:
        """Write what is due. A database that is busy or away is asked again a minute later: nobody waits for this."""
        if not self.due:
            return
        ids = sorted(self.due)
        self.due.clear()
        self.written |= dict.fromkeys(ids, now)
        try:
            async with books.write() as conn:
                await api_keys.used(conn, ids, now=now)
        except BooksError:
            _log.warning("the last use of keys was not written", exc_info=True)
