"""Nodes and certificates as a matrix: what the node is bound to x how it calls -> let in, or the fact for which it is not."""

import pytest

from panorad.access import gate
from panorad.model.actor import SYSTEM
from panorad.model.certificate import Binding, BindingKind, Certificate, fingerprint_of_pem
from panorad.testing import Site

A, B = "ab" * 32, "cd" * 32
NAMED = Certificate(B, ("CT1.Clinic.example", "ct1"))


@pytest.mark.parametrize(
    "bound, certificate, refusal",
    [
        ([], None, None),
        ([], NAMED, gate.NodeUnbound),
        ([Binding("sha256", B)], None, gate.TlsRequired),
        ([Binding("any")], None, gate.TlsRequired),
        ([Binding("sha256", B)], NAMED, None),
        ([Binding("sha256", A)], NAMED, gate.CertificateForeign),
        ([Binding("sha256", A), Binding("sha256", B)], NAMED, None),
        ([Binding("name", "ct1.clinic.EXAMPLE")], NAMED, None),
        ([Binding("name", "clinic.example")], NAMED, gate.CertificateForeign),
        ([Binding("name", B)], NAMED, gate.CertificateForeign),
        ([Binding("any")], NAMED, None),
    ],
)
def test_who_may_call(center: Site, bound: list[Binding], certificate: Certificate | None, refusal: type[Exception] | None) -> None:
    with center.center.begin(SYSTEM) as tx:
        gate.add_node(tx, "CT1", "CENTER")
        gate.add_node(tx, "OTHER", "CENTER")
        gate.bind(tx, "OTHER", Binding("sha256", B))
        for binding in bound:
            gate.bind(tx, "CT1", binding)
        if refusal is None:
            gate.check_certificate(tx, "CT1", certificate)
        else:
            with pytest.raises(refusal):
                gate.check_certificate(tx, "CT1", certificate)


def test_a_fingerprint_is_taken_as_openssl_prints_it_once(center: Site) -> None:
    printed = "sha256 Fingerprint=" + ":".join([A[at : at + 2].upper() for at in range(0, 64, 2)])
    with center.center.begin(SYSTEM) as tx:
        gate.add_node(tx, "CT1", "CENTER")
        gate.bind(tx, "CT1", Binding("sha256", printed))
        gate.bind(tx, "CT1", Binding("sha256", A))
        assert gate.bindings(tx, "CT1") == (Binding("sha256", A),)
        gate.unbind(tx, "CT1", Binding("sha256", A))
        with pytest.raises(gate.BindingAbsent):
            gate.unbind(tx, "CT1", Binding("sha256", A))
        gate.check_certificate(tx, "CT1", None)
    told = [(event.kind, event.objects["node"], event.detail["value"]) for event in center.events() if "bound" in event.kind]
    assert told == [("node.bound", "CT1", A), ("node.unbound", "CT1", A)]


@pytest.mark.parametrize("kind, value", [("sha256", "12"), ("sha256", "g" * 64), ("name", ""), ("name", "two words"), ("name", "x" * 254)])
def test_what_is_no_binding(center: Site, kind: BindingKind, value: str) -> None:
    with center.center.begin(SYSTEM) as tx:
        gate.add_node(tx, "CT1", "CENTER")
        with pytest.raises(gate.BindingInvalid):
            gate.bind(tx, "CT1", Binding(kind, value))


def test_changing_a_node_keeps_its_bindings(center: Site) -> None:
    with center.center.begin(SYSTEM) as tx:
        gate.add_node(tx, "CT1", "CENTER", "ct1.example", 2762, tls=True)
        gate.bind(tx, "CT1", Binding("any"))
        gate.add_node(tx, "CT1", "CENTER", "ct1.example", 2763, tls=True)
        assert gate.bindings(tx, "CT1") == (Binding("any"),)
        found = gate.node(tx, "CT1")
        assert found is not None
        assert (found.port, found.tls) == (2763, True)
        with pytest.raises(gate.NodeUnknown):
            gate.bind(tx, "NOBODY", Binding("any"))


@pytest.mark.parametrize("text", ["", "nothing", "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----"])
def test_a_file_without_a_certificate_has_no_fingerprint(text: str) -> None:
    assert fingerprint_of_pem(text) is None
