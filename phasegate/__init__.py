"""Rolls a backend change out in phases and never leaves production unguarded."""

__version__ = "0.1.0"
