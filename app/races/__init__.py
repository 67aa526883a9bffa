"""Live training for everybody who opens the address: orders, a worker process each, event log, sessions, standings.

Imports settings and model/.
"""
