"""One file for each claim about speed or size, measured beside a rival in the same run: ``python -m bench --help``."""
