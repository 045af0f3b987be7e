"""What is offered: everything that belongs to a study of a patient, and nothing that would be refused later in any case."""

from __future__ import annotations

import pytest
from pydicom import uid

from panorad.access.dimse.conformance import Service, offer, storage_classes

OF_NO_PATIENT = [
    uid.HangingProtocolStorage, uid.ColorPaletteStorage, uid.GenericImplantTemplateStorage, uid.ImplantAssemblyTemplateStorage,
    uid.ImplantTemplateGroupStorage, uid.CTDefinedProcedureProtocolStorage, uid.ProtocolApprovalStorage,
    uid.XADefinedProcedureProtocolStorage, uid.InventoryStorage,
]  # fmt: skip


@pytest.mark.parametrize("sop_class", OF_NO_PATIENT)
def test_objects_of_no_patient_are_not_negotiated(sop_class: str) -> None:
    assert offer(sop_class) is None
    assert sop_class not in dict(storage_classes())


@pytest.mark.parametrize("sop_class", [uid.CTImageStorage, uid.CTPerformedProcedureProtocolStorage, "1.3.12.2.1107.5.9.1", "1.2.3.4"])
def test_objects_of_patients_are_private_ones_too(sop_class: str) -> None:
    found = offer(sop_class)
    assert found is not None
    assert found.service is Service.STORAGE
