"""Files of numba's machine code that never belong to other source than they say.

numba names the machine code of a function's signatures 1, 2, ..., and writes the list of them first. Where the second
write fails (a full disk, a killed process) the list of new source names machine code of old source, and two processes
that compile at once may give two signatures one name: both run the wrong code without a word. Here names are digests of
source and signature, machine code is written before the list, and the source of a function is everything in its folder,
the one above, and this one: numba looks at the function's own file only, although code that it calls is compiled into
it.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from numba.core.caching import IndexDataCacheFile

_HERE = Path(__file__).parent


class CacheFile(IndexDataCacheFile):  # type: ignore[misc]
    """Index and machine code of one function."""

    def save(self, key: Any, data: Any) -> None:
        """Keep machine code; the list names it only once it is there."""
        name = self._own_name(key)
        self._save_data(name, data)
        overloads = self._load_index()
        overloads[key] = name
        self._save_index(overloads)

    def _own_name(self, key: Any) -> str:
        digest = hashlib.sha256(repr((self._source_stamp, key)).encode()).hexdigest()[:24]
        return f"{Path(self._index_name).stem}.{digest}.nbc"


def make_safe(cache: Any, source: Path) -> None:
    """Give a function's cache :class:`CacheFile`.

    Args:
        cache: numba's, of a function.
        source: the function's file.
    """
    impl = cache._impl
    stamp = (impl.locator.get_source_stamp(), folder_stamp(source.parent))
    cache._cache_file = CacheFile(cache_path=cache._cache_path, filename_base=impl.filename_base, source_stamp=stamp)


@lru_cache(maxsize=16)
def folder_stamp(folder: Path) -> str:
    """Digest of what the machine code of functions in a folder may hold: names, sizes and times of source files."""
    facts = []
    for place in sorted({folder, folder.parent, _HERE}):
        for path in sorted(place.glob("*.py")):
            status = path.stat()
            facts.append((path.name, status.st_size, status.st_mtime_ns))
    return hashlib.sha256(repr(facts).encode()).hexdigest()
