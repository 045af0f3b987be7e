"""Check the checkout against the house rules: `python -m tools.lint [ROOT]`."""

import sys
from pathlib import Path

from tools.lint import modules, places, sql, templates
from tools.lint.tree import findings

RULES = (*modules.RULES, *sql.RULES, *templates.RULES, *places.RULES)


def main(arguments: list[str]) -> int:
    """Print every breach; return 1 where there is one, 2 where the tree cannot be read, else 0."""
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parents[2]
    try:
        breaches = sorted(findings(root, RULES))
    except (OSError, SyntaxError) as error:
        print(error, file=sys.stderr)
        return 2
    for breach in breaches:
        print(breach)
    print(f"House rules: {len(breaches)} breach{'' if len(breaches) == 1 else 'es'} of {len(RULES)} rules")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
