"""Several conversations in a row: who sees whom, and what that does to loss and gradient."""
