"""Processes that train: runs side by side with progress bars, and the ablation's workers."""
