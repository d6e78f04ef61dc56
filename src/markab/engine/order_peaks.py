"""The most bytes that the steps of an order need, whatever steps change: a tree of sums. Pure."""

from __future__ import annotations

from collections.abc import Sequence

NOTHING = -(1 << 100)
"""Less than the need of any step."""


class OrderPeaks:
    """Steps one after the other. Each needs some bytes while it runs, beside those that the steps before it left.

    Setting a step and asking for a peak take O(log n). Each node of the tree has the bytes that its
    steps leave, and the most that is needed at any time in it, both beside what was there before it.
    """

    def __init__(self, leaves: Sequence[int], needs: Sequence[int]) -> None:
        self._size = size = 1 << max(0, len(leaves) - 1).bit_length()
        self._leaves = [0] * (2 * size)
        self._peaks = [NOTHING] * (2 * size)
        self._leaves[size : size + len(leaves)] = leaves
        self._peaks[size : size + len(needs)] = needs
        for node in range(size - 1, 0, -1):
            self._join(node)

    def set(self, step: int, leaves: int, needs: int) -> None:
        """Replace what a step leaves (less than 0: it removes) and needs (NOTHING: it is over)."""
        node = self._size + step
        self._leaves[node], self._peaks[node] = leaves, needs
        while node := node >> 1:
            self._join(node)

    def add(self, step: int, bytes_: int) -> None:
        """Let a step need so many bytes more, unless it is over."""
        node = self._size + step
        if self._peaks[node] > NOTHING:
            self.set(step, self._leaves[node], self._peaks[node] + bytes_)

    def leave_more(self, step: int, bytes_: int) -> None:
        """Let a step leave so many bytes more."""
        node = self._size + step
        self.set(step, self._leaves[node] + bytes_, self._peaks[node])

    @property
    def peak(self) -> int:
        """The most that all steps need at any time; NOTHING: all are over."""
        return self._peaks[1]

    def before(self, step: int) -> int:
        """Return the most that the steps before one need at any time; NOTHING: there are none that need anything."""
        node, left, found = self._size + step, 0, NOTHING
        path = node.bit_length() - 2
        at = 1
        while path >= 0:
            low = 2 * at
            if node >> path & 1:
                found = max(found, left + self._peaks[low])
                left += self._leaves[low]
                low += 1
            at, path = low, path - 1
        return found

    def _join(self, node: int) -> None:
        low, high = 2 * node, 2 * node + 1
        self._leaves[node] = self._leaves[low] + self._leaves[high]
        self._peaks[node] = max(self._peaks[low], self._leaves[low] + self._peaks[high])
