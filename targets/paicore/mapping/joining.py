"""Partitions of shares into regions, and the search for one with regions joined that costs less.

A partition is a value: joining regions makes a new one, of which only what changes is worked out
anew, the joined region and the regions of sources that then have fewer copies. Whether regions may
be joined, and what a region costs, is for the caller to say.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Protocol

from attrs import field, frozen

from snnc.ir.graph import Op
from snnc.targets.paicore.neurons.populations import Destination, Populations
from snnc.targets.paicore.tiling.readers import Readers
from snnc.targets.paicore.tiling.shares import Share

Copies = Mapping[Op, Sequence[Destination]]
"""The physical copies of each population, by where they send."""

STEADY = 8
"""Readers joined one by one, with success, before several are joined at once."""


BOTH_WAYS = 32
"""Sources with several readers that are gone through both ways."""


@frozen(eq=False)
class Partition:
    """Regions by number: their shares in text order, the copies of populations, what all costs.

    `groups` lists the regions of each population's shares.
    """

    groups: Mapping[Op, tuple[int, ...]]
    members: Mapping[int, Sequence[Share]]
    copies: Copies
    prices: Mapping[int, int]
    extensions: dict[int, int] = field(factory=dict, init=False)
    """Of the axons of regions, where they were asked for."""

    @property
    def cost(self) -> int:
        """What all regions cost."""
        return sum(self.prices.values())

    def group(self, op: Op) -> int:
        """Return the region of a population that is not divided."""
        return self.groups[op][0]


class Rules(Protocol):
    """What a search asks about the shares of some populations in one region."""

    def fits(self, shares: Sequence[Share], copies: Copies) -> bool:
        """Whether they may be a region."""

    def price(self, shares: Sequence[Share], copies: Copies) -> int:
        """Return what the region costs."""

    def signature(self, share: Share) -> Hashable:
        """Return what tells a share from others that are joined with the same result."""


class Joiner:
    """Joins the regions of populations.

    Args:
        populations: of a module.
        shares: of each population.
        readers: which shares of readers read what.
        rules: of the regions.
    """

    def __init__(
        self,
        populations: Populations,
        shares: Mapping[Op, tuple[Share, ...]],
        readers: Readers,
        rules: Rules,
    ) -> None:
        self.populations, self.shares, self.rules = populations, shares, rules
        self._most = readers.most
        self._rank = {op: rank for rank, op in enumerate(populations.ops)}
        self._sources = {
            op: [source for _, source in populations.feeding(op) if source is not None]
            for op in populations.ops
        }
        self._signatures: dict[Share, Hashable] = {}
        self._known: dict[Hashable, int] = {}
        self._signed: dict[int, tuple[Sequence[Share], int]] = {}
        self._useless: set[tuple[int, int]] = set()

    def apart(self) -> Partition:
        """Return the partition with each share in a region of its own."""
        every = [share for found in self.shares.values() for share in found]
        number = {share: n for n, share in enumerate(every)}
        groups = {op: tuple(number[s] for s in shares) for op, shares in self.shares.items()}
        copies = self.copies(groups)
        prices = {n: self.rules.price([share], copies) for n, share in enumerate(every)}
        return Partition(groups, {n: [s] for n, s in enumerate(every)}, copies, prices)

    def copies(self, groups: Mapping[Op, tuple[int, ...]]) -> Copies:
        """Return the physical copies of all populations, given the regions of their shares."""
        return self.populations.destinations(groups, self._most)

    def joined(self, made: Partition, into: int, others: Sequence[int]) -> Partition | None:
        """Return a partition with other regions joined into one, None where that cannot be."""
        members, moved = dict(made.members), [s for g in others for s in made.members[g]]
        for other in others:
            del members[other]
        mine = sorted([*made.members[into], *moved], key=lambda share: self._rank[share.op])
        members[into] = mine
        groups = {**made.groups, **{share.op: (into,) for share in moved}}
        sources = {source: None for share in moved for source in self._sources[share.op]}
        copies = dict(made.copies)
        for source in sources:
            copies[source] = self.populations.destinations_of(source, groups, self._most)
        if not self.rules.fits(mine, copies):
            return None
        prices = {group: price for group, price in made.prices.items() if group in members}
        changed = {g for s in sources for g in groups[s] if len(copies[s]) != len(made.copies[s])}
        for group in (into, *sorted(changed - {into})):
            prices[group] = self.rules.price(members[group], copies)
        return Partition(groups, members, copies, prices)

    def merge(self, made: Partition) -> Partition:
        """Return a partition with readers of one source joined while that saves something.

        What a region costs follows from its copies, so from the regions that read it. Sources are
        gone through from the first on, and, of not too many, from the last on; what costs less
        stays.
        """
        readers = [
            [(op, segment.delay) for op, segment in found if len(self.shares[op]) == 1]
            for found in self.populations.readers.values()
        ]
        several = [alone for alone in readers if len(alone) > 1]
        onward = self._merged(made, several)
        if not 1 < len(several) <= BOTH_WAYS:
            return onward
        back = self._merged(made, several[::-1])
        return back if back.cost < onward.cost else onward

    def _merged(self, made: Partition, readers: Sequence[Sequence[tuple[Op, int]]]) -> Partition:
        self._useless.clear()
        for alone in readers:
            for number, (first, delay) in enumerate(alone):
                others = [op for op, late in alone[number + 1 :] if late == delay]
                made = self._absorbed(made, first, others)
        return made

    def _absorbed(self, made: Partition, first: Op, others: Sequence[Op]) -> Partition:
        """Return a partition in which the region of a reader has taken in those of others.

        One by one, each where that saves something; after some successes several at once, where
        that saves as much for each of them.
        """
        at, size, streak, saving = 0, 1, 0, 0
        mine, groups = made.group(first), made.groups
        left = [group for group in {groups[op][0]: None for op in others} if group != mine]
        while at < len(left):
            batch = left[at : at + size]
            trial = self._trial(made, made.group(first), batch)
            saved = 0 if trial is None else made.cost - trial.cost
            if trial is not None and saved > 0 and (size == 1 or saved >= saving * len(batch)):
                made, streak, saving = trial, streak + 1, saved // len(batch)
                self._useless.clear()
            else:
                streak = 0
                if size > 1:
                    size = 1
                    continue
            at += size
            size = 2 * size if streak > STEADY else 1
        return made

    def _trial(self, made: Partition, one: int, others: Sequence[int]) -> Partition | None:
        """Return regions joined under the lowest number; None too where that saved nothing before.

        Regions that are alike are tried once.
        """
        key = (self._signature(made, one), self._signature(made, others[0]))
        if len(others) == 1 and key in self._useless:
            return None
        into, *rest = sorted([one, *others])
        trial = self.joined(made, into, rest)
        if len(others) == 1 and (trial is None or trial.cost >= made.cost):
            self._useless.add(key)
        return trial

    def _signature(self, made: Partition, group: int) -> int:
        """Return a number that regions have in common which are alike."""
        members = made.members[group]
        if group not in self._signed or self._signed[group][0] is not members:
            signs = tuple((self._sign(share), len(made.copies[share.op])) for share in members)
            number = self._known.setdefault(signs, len(self._known))
            self._signed[group] = (members, number)
        return self._signed[group][1]

    def _sign(self, share: Share) -> Hashable:
        if share not in self._signatures:
            self._signatures[share] = self.rules.signature(share)
        return self._signatures[share]
