"""The table of contents: every slice of the center, by hand, and how they are wired."""

from panorad.kit.slice import Slice


def slices() -> tuple[Slice, ...]:
    """The slices in the order of the rail."""
    from panorad.application import studies, viewer
    from panorad.management import audit, institutions, intake, people, sharing

    return (studies.slice, viewer.slice, intake.slice, sharing.slice, people.slice, institutions.slice, audit.slice)
