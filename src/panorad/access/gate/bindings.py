"""Certificates and nodes: what a node's certificate must be, and whether a caller has it.

A node with a binding calls over TLS only, with a certificate that one of its bindings names. A node without one calls plainly only: that
an authority vouches for a machine says nothing of the AE titles it may use, so a trusted certificate alone opens nothing. A node may
have several bindings, so that its next certificate can be named before the last one goes.
"""

from __future__ import annotations

import re

from panorad.access.gate import store
from panorad.access.gate.service import NodeUnknown
from panorad.kit.errors import Kind, PanoradError
from panorad.kit.transaction import Transaction
from panorad.model.certificate import Binding, Certificate
from panorad.model.event import Event

_NAME = re.compile(r"[^\s\\]{1,253}")


class BindingInvalid(PanoradError):
    """A binding is a SHA-256 fingerprint of 64 hexadecimal digits, or a name without spaces, or any"""

    kind = Kind.INVALID


class BindingAbsent(PanoradError):
    """The node has no such binding"""

    kind = Kind.ABSENT


class BindingRefused(PanoradError):
    """The node may not call like this"""

    kind = Kind.FORBIDDEN


class TlsRequired(BindingRefused):
    """The node is bound to a certificate and calls over TLS only"""


class NodeUnbound(BindingRefused):
    """The node is bound to no certificate and cannot call over TLS"""


class CertificateForeign(BindingRefused):
    """The certificate is not one that the node is bound to"""


def _checked(binding: Binding) -> Binding:
    value = binding.value.strip()
    if binding.kind == "sha256":
        value = value.rpartition("=")[2].replace(":", "").lower()  # as `openssl x509 -fingerprint` prints it
        if not re.fullmatch(r"[0-9a-f]{64}", value):
            raise BindingInvalid(binding.value)
    elif binding.kind == "name":
        value = value.lower()
        if not _NAME.fullmatch(value):
            raise BindingInvalid(binding.value)
    return Binding(binding.kind, "" if binding.kind == "any" else value)


def bind(tx: Transaction, ae_title: str, binding: Binding) -> None:
    """Bind a node to a certificate; one that it has already stays. Raises NodeUnknown, BindingInvalid."""
    title, checked = _known(tx, ae_title), _checked(binding)
    if store.change(tx, "bind", title, checked.kind, checked.value):
        tx.emit(Event("node.bound", {"node": title}, {"kind": checked.kind, "value": checked.value}))


def unbind(tx: Transaction, ae_title: str, binding: Binding) -> None:
    """Take a binding from a node. Raises NodeUnknown, BindingInvalid, BindingAbsent."""
    title, checked = _known(tx, ae_title), _checked(binding)
    if not store.change(tx, "unbind", title, checked.kind, checked.value):
        raise BindingAbsent(f"{title}: {checked}")
    tx.emit(Event("node.unbound", {"node": title}, {"kind": checked.kind, "value": checked.value}))


def bindings(tx: Transaction, ae_title: str) -> tuple[Binding, ...]:
    """What a node is bound to; empty for none."""
    return tuple(Binding(*row) for row in store.ask(tx, "bindings", ae_title.strip()))


def check_certificate(tx: Transaction, ae_title: str, certificate: Certificate | None) -> None:
    """Let a registered node in that calls with a certificate, or plainly with none. Raises TlsRequired, NodeUnbound, CertificateForeign."""
    known = bindings(tx, ae_title)
    if certificate is None:
        if known:
            raise TlsRequired(ae_title)
    elif not known:
        raise NodeUnbound(ae_title)
    elif not any(binding.fits(certificate) for binding in known):
        raise CertificateForeign(f"{ae_title}: sha256 {certificate.fingerprint}")


def _known(tx: Transaction, ae_title: str) -> str:
    row = store.one(tx, "node", ae_title.strip())
    if row is None:
        raise NodeUnknown(ae_title.strip())
    return str(row[0])
