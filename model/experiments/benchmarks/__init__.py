"""What `maskscope bench` measures: ratios against plain autograd, transformers and TRL."""
