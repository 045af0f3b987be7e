"""A figure counts only when the work was done: the checks between the measurements."""

from tests.acceptance.dicomweb import search, value
from tests.acceptance.processes import wait_until

from .rivals import Side


def assert_stored(side: Side, patient: str, count: int) -> None:
    """Fail unless the index holds ``count`` instances of a patient."""

    def instances() -> int:
        studies = search(side.dicomweb, "studies", PatientID=patient, includefield="00201208")
        return sum(int(value(study, "00201208")) for study in studies)

    wait_until(lambda: instances() == count, 30, f"{count} instances of {patient} in {side.name}")
