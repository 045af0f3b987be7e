"""What the tests and the demo of Panorad stand on, shipped so that a site's own tests can stand on it too.

`center()` is a whole, real center in a test; `databases()` shares one PostgreSQL server among many of them; `serving()` is one behind
its real servers. The other modules make phantoms, DICOM images, malformed input, and a scanner that sends them.
"""

from panorad.testing.center import Databases, Served, Site, center, databases, serving

__all__ = ["Databases", "Served", "Site", "center", "databases", "serving"]
