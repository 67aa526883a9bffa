"""Sockets: who may connect, how long reading and writing may take, how a connection ends. Over uvicorn and h11.

Imports the frame (errors, security, settings, shares); the command line alone imports it.
"""
