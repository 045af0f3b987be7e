"""The house rules that no ready-made linter knows, as code: `python -m tools.lint`."""
