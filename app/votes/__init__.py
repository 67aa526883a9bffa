"""Votes of a room: questions whose truth is computed, the votes that are open, who has answered what.

Imports settings and model/.
"""
