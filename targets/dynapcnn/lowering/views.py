"""What the pixel block makes of the map of an input, and how ops of the program add to it.

The block merges polarities, sums over windows, cuts, mirrors and swaps the axes, in this order. A
program may say the same in another order; where that is the same function of the input, the
settings are found, and nothing is approximated.
"""

from attrs import evolve, frozen

from snnc.targets.dynapcnn.artifact.records import Shape

Bounds = tuple[int, int]


@frozen
class View:
    """Settings by axis (y, x) of the input; `crop` is None where the pooled map is whole."""

    merge: bool = False
    pool: tuple[int, int] = (1, 1)
    crop: tuple[Bounds, Bounds] | None = None
    mirror: tuple[bool, bool] = (False, False)
    swap: bool = False

    def bounds(self, size: Shape) -> tuple[Bounds, Bounds]:
        """Return first and end of the pooled rows and columns kept of an input (y, x)."""
        height, width = (n // p for n, p in zip(size, self.pool, strict=True))
        return self.crop or ((0, height), (0, width))

    def map(self, shape: Shape) -> Shape:
        """Return what is seen of an input (features, y, x)."""
        sizes = [stop - start for start, stop in self.bounds(shape[1:])]
        return (1 if self.merge else shape[0], *(sizes[::-1] if self.swap else sizes))

    def pooled(self, kernel: tuple[int, int], size: Shape) -> "View | None":
        """Return the view behind sums over windows, None where they straddle the block's."""
        steps = kernel[::-1] if self.swap else kernel
        found: list[Bounds] = []
        for (start, stop), step, back in zip(self.bounds(size), steps, self.mirror, strict=True):
            count = (stop - start) // step
            # A remainder is dropped at the end of what is seen, mirrored: at its beginning.
            if (stop if back else start) % step or not count:
                return None
            first = stop // step - count if back else start // step
            found.append((first, first + count))
        pool = (self.pool[0] * steps[0], self.pool[1] * steps[1])
        whole = ((0, size[0] // pool[0]), (0, size[1] // pool[1]))
        crop = (found[0], found[1])
        return evolve(self, pool=pool, crop=None if crop == whole else crop)

    def cropped(self, axis: int, start: int, stop: int, size: Shape) -> "View":
        """Return the view of start:stop along an axis of what is seen (0: y, 1: x)."""
        at = 1 - axis if self.swap else axis
        bounds = list(self.bounds(size))
        first, end = bounds[at]
        bounds[at] = (end - stop, end - start) if self.mirror[at] else (first + start, first + stop)
        whole = evolve(self, crop=None).bounds(size)
        crop = (bounds[0], bounds[1])
        return evolve(self, crop=None if crop == whole else crop)

    def mirrored(self, axis: int) -> "View":
        """Return the view that runs backwards along an axis of what is seen."""
        at = 1 - axis if self.swap else axis
        flags = tuple(flag != (n == at) for n, flag in enumerate(self.mirror))
        return evolve(self, mirror=(flags[0], flags[1]))

    def swapped(self) -> "View":
        """Return the view with y and x exchanged."""
        return evolve(self, swap=not self.swap)


WHOLE = View()
"""The input as it is: no pixel block is needed."""
