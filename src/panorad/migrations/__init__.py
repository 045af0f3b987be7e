"""Numbered SQL files, only ever forward; `schema.sql` is what they lead to."""
