"""Processes: runs trained side by side, the workers of an ablation, a server under load.

Imports settings and model/.
"""
