"""Panorad: a regional clinical imaging data center."""

__version__ = "0.1.0"
