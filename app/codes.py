"""What the codes are made of that a room reads from a screen: of votes, and of short addresses."""

ALPHABET = "CFHJKMNPRTWXY3479"
"""No two look alike on a projector, and none spells a word: without 0 O Q D, 1 I L, 2 Z, 5 S, 6 G, 8 B, U V, A E."""
CODE_LENGTH = 4
