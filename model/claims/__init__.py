"""What the lesson states, judged by rules over what was measured.

Imports model.experiments and below.
"""
