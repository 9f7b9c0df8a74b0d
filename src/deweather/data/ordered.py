"""A function over many items by several threads, results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_in_order(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Iterator[Result]:
    """The results of a function, in the order of the items; errors of it are raised here.

    Args:
        function: is called from several threads.
        items: what it is called with.
        workers: threads; the results of a few items more than that may wait to be taken.
    """
    rest = iter(items)
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            waiting += [pool.submit(function, item) for item in islice(rest, 2 * workers)]
            while waiting:
                yield waiting.popleft().result()
                waiting += [pool.submit(function, item) for item in islice(rest, 1)]
        finally:
            for future in waiting:
                future.cancel()
