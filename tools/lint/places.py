"""Rule: the repository names no package registry's host and no folder of anybody's machine.

Where packages come from is the business of the place that installs them; what is pinned is what they are. The
patterns are put together from pieces, so that this file does not break its own rule.
"""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from tools.lint.tree import Rule

DOT, SLASH = ".", "/"
HOSTS = tuple(
    DOT.join(parts)
    for parts in (
        ("pypi", "org"),
        ("files", "pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("registry", "yarnpkg", "com"),
        ("deb", "debian", "org"),
        ("security", "debian", "org"),
        ("archive", "ubuntu", "com"),
    )
)
FOLDERS = tuple(
    SLASH.join(("", *parts, ""))
    for parts in (("root",), ("work",), ("tmp", "w"), ("home", r"[a-z_][a-z0-9_-]*"), ("Users", r"\w+"))
)
HOST = re.compile("|".join(map(re.escape, HOSTS)), re.IGNORECASE)
FOLDER = re.compile(r"(?<![\w.~})-])(?:" + "|".join(FOLDERS) + ")")


def check_places(path: PurePosixPath, text: str) -> Iterator[tuple[int, str]]:
    """Refuse registry hosts and machine paths, wherever they stand."""
    for number, line in enumerate(text.splitlines(), 1):
        for found in HOST.finditer(line):
            yield number, f"names the package registry {found[0]}; name the package alone"
        for found in FOLDER.finditer(line):
            yield number, f"names a folder of one machine, {found[0]}; use a relative path or a setting"


RULES = (Rule("places", lambda path: True, check_places),)
