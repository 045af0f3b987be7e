"""A region on a real center for the management pages: four institutions, people of every sort, grants, consents and a policy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from panorad.access import gate
from panorad.management import sharing
from panorad.management.sharing import Grantee, Patient, Proxy, Scope
from panorad.model.actor import SYSTEM
from panorad.testing import Site

PASSWORD = "a password of the tests"
PEOPLE = {
    "admin": ("Li Min", "CENTER", ("system-administrator", "radiologist")),
    "officer": ("Zhao Yun", "CENTER", ("security-administrator",)),
    "auditor": ("Qian Hua", "CENTER", ("audit-administrator",)),
    "head": ("Wang Lei", "COUNTY", ("department-head",)),
    "reader": ("Sun Qi", "COUNTY", ("radiologist",)),
    "desk": ("Chen Mei", "YUNLING", ("registrar", "nurse")),
}
STUDY = "1.2.826.0.1.3680043.8.498.10243.20260311.7"


def fill(site: Site) -> None:
    """Put it all in."""
    now = datetime.now(UTC)
    with site.center.begin(SYSTEM) as tx:
        gate.describe_institution(tx, "CENTER", "City imaging center", "市影像中心", None)
        gate.add_institution(tx, "COUNTY", "County hospital", "县人民医院", "COUNTY", "CENTER")
        gate.add_institution(tx, "YUNLING", "Yunling township clinic", "云岭卫生院", "YUNLING", "COUNTY")
        gate.add_institution(tx, "NORTH", "Northern district hospital", "北区医院", "NORTH", "CENTER")
        gate.add_node(tx, "COUNTY_CT1", "COUNTY", "10.20.1.31", 11112, "CT, ground floor")
        gate.add_node(tx, "COUNTY_WS1", "COUNTY", description="Reading room")
        gate.add_node(tx, "YL_DX1", "YUNLING", "10.20.9.4", 104, "DX")
        for login, (name, code, roles) in PEOPLE.items():
            gate.add_account(tx, login, name, PASSWORD, code, roles)
        gate.give_role(tx, "head", "YUNLING", "radiologist")
        gate.give_role(tx, "head", "NORTH", "radiologist")
    with site.center.begin(SYSTEM) as tx:
        sharing.give(tx, Scope("study", "COUNTY", study=STUDY), Grantee("person", "desk"), ["consultation"], "consultation",
                     until=now + timedelta(7), reason="Second opinion on the nodule in the right upper lobe")  # fmt: skip
        sharing.give(tx, Scope("patient", "COUNTY", "COUNTY", "C20260017"), Grantee("institution", "NORTH"), ["treatment", "consultation"],
                     "referral", until=now + timedelta(90))  # fmt: skip
        sharing.give(tx, Scope("institution", "COUNTY"), Grantee("role", "NORTH", "quality-officer"), ["quality"], "manual")
        sharing.give(tx, Scope("study", "NORTH", study=f"{STUDY}.1"), Grantee("institution", "COUNTY"), ["remote-reading"], "manual")
        sharing.give(tx, Scope("study", "COUNTY", study=f"{STUDY}.2"), Grantee("device", "COUNTY_WS1"), ["treatment"], "manual")
        sharing.record_consent(tx, Patient("COUNTY", "COUNTY", "C20260017"), "refuse", ["education", "research"], audience="everyone")
        sharing.record_consent(tx, Patient("COUNTY", "COUNTY", "C20260021"), "permit", ["treatment"], audience="institution",
                               to="NORTH", until=now + timedelta(365), note="Signed form in the record")  # fmt: skip
        sharing.record_consent(tx, Patient("COUNTY", "COUNTY", "C20260033"), "permit", proxy=Proxy("Doe Anna", "mother"))
        sharing.set_policy(tx, "CENTER", "education", "others", "refuse")
        sharing.set_policy(tx, "CENTER", "quality", "others", "consent")
