"""Fill the index of a running center by SQL, as a receipt of many studies would have left it, without the images."""

from .rivals import Side


def fill(side: Side, studies: int, *, series: int, instances: int) -> list[str]:
    """Add ``studies`` studies of ``series`` series of ``instances`` instances and return some hundred of their Patient IDs."""
    raise NotImplementedError("wants the schema")
