"""Telling what the authors would call a parameter of ours, for errors that their users understand."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from torch import Tensor

Translate = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]


class Names:
    """The way back from our keys to the authors', which is written down nowhere.

    Args:
        translate: of the method.
        given: the checkpoint.
        alone: translate each key by itself, and not as one more of the others: much less work.
    """

    def __init__(self, translate: Translate, given: Mapping[str, Tensor], alone: bool) -> None:
        """Find out what each of the given keys becomes."""
        self.given = {k: tensor.to("meta") for k, tensor in given.items()}
        self.translate, self.alone = translate, alone
        self.made_of: dict[str, list[str]] = {}
        for theirs, tensor in self.given.items():
            made = self._made_by(theirs, tensor)
            if len(made) == 1:  # without a key that tells the method apart, all would be gone
                self.made_of.setdefault(made.pop(), []).append(theirs)

    def _made_by(self, theirs: str, tensor: Tensor) -> set[str]:
        """Our keys that are there only with a certain key of theirs."""
        rest = {} if self.alone else {k: t for k, t in self.given.items() if k != theirs}
        return self.translate({**rest, theirs: tensor}).keys() - self.translate(rest).keys()

    def lacking(self, ours: str) -> list[str]:
        """The authors' key that would make ours; none if it cannot be told.

        Neighbours of the keys that are there are tried: another tensor of the same layer, and the
        same layer under another number.
        """
        leaves = {key.rpartition(".")[2] for key in self.given}
        layer, like = ours.rpartition(".")[0], re.sub(r"\d+", "#", ours)
        tried = set(self.given)
        for other, names in self.made_of.items():
            for key in names:
                near: set[str] = set()
                if other.rpartition(".")[0] == layer:
                    near = {f"{key.rpartition('.')[0]}.{leaf}" for leaf in leaves}
                if re.sub(r"\d+", "#", other) == like:
                    near |= {
                        f"{key[: number.start()]}{n}{key[number.end() :]}"
                        for number in re.finditer(r"\d+", key)
                        for n in range(10)
                    }
                for candidate in sorted(near - tried):
                    tried.add(candidate)
                    if ours in self._made_by(candidate, self.given[key]):
                        return [candidate]
        return []
