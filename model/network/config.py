"""The sizes of a model. Knows no torch, so that a recipe can be read without it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class GPTConfig:
    vocab_size: int
    context_length: int
    """The most positions a sequence may have."""
    layers: int
    heads: int
    width: int

    def __post_init__(self) -> None:
        """Raises ValueError for sizes that make no model; a run.json may hold any."""
        for name, size in vars(self).items():
            if size < 1:
                raise ValueError(f"{name} is {size}; allowed: 1 or more")
        if self.width % self.heads:
            raise ValueError(f"width {self.width} does not divide into {self.heads} heads")

    @property
    def row_tokens(self) -> int:
        """The most tokens of a row: one for each position, and the one that the last position predicts."""
        return self.context_length + 1

    def parameter_count(self) -> int:
        """Of the model this makes."""
        block = 12 * self.width**2 + 13 * self.width
        return (self.vocab_size + self.context_length + 2) * self.width + self.layers * block
