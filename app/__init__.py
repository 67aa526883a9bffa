"""HTTP, HTML and concurrency around `model`. Thin."""
