"""Signed tokens (JWT, RFC 7519) as both ends of sign-in need them: one way to check a signature, with the algorithm from a list of ours.

The list decides before the header does: `none` and the symmetric algorithms are in none of the lists, so that a public key is never taken
for a shared secret (RFC 8725 sections 3.1 and 3.2).
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Collection, Mapping
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from panorad.kit.errors import Kind, PanoradError

LONGEST = 32_768
"""Letters of a token."""
_SMALLEST_RSA = 2048
_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}


class SignatureRefused(PanoradError):
    """A signed token is not what it claims to be"""

    kind = Kind.FORBIDDEN


class KeysInvalid(PanoradError):
    """This is not a set of public keys that can be used (JWK Set, RFC 7517; RSA of 2048 bits or more, or elliptic curves)"""

    kind = Kind.INVALID


def public_keys(data: Any) -> dict[str, Any]:
    """A JWK or a JWK Set reduced to its public signing keys. Raises KeysInvalid where none is left or a private one was given."""
    found = data.get("keys", [data]) if isinstance(data, Mapping) else None
    if not isinstance(found, list) or not 0 < len(found) <= 100:
        raise KeysInvalid
    if any(isinstance(one, Mapping) and ("d" in one or one.get("kty") == "oct") for one in found):
        raise KeysInvalid("it holds a secret")
    kept = [dict(one) for one in found if _usable(one)]
    if not kept:
        raise KeysInvalid
    return {"keys": kept}


def _usable(one: Any) -> bool:
    if not isinstance(one, Mapping) or one.get("use", "sig") != "sig":
        return False
    try:
        key = _key(one)
    except (JoseError, ValueError, TypeError, KeyError):
        return False
    return isinstance(key, ECKey) or key.raw_value.key_size >= _SMALLEST_RSA


def _key(one: Mapping[str, Any]) -> RSAKey | ECKey:
    return ECKey.import_key(dict(one)) if one.get("kty") == "EC" else RSAKey.import_key(dict(one))


def header_of(token: str) -> dict[str, Any]:
    """A token's header, not yet checked. Raises SignatureRefused."""
    return _part(token, 0)


def unchecked_claims(token: str) -> dict[str, Any]:
    """A token's claims before its signature is checked: only to find out whose keys to check it with. Raises SignatureRefused."""
    return _part(token, 1)


def _part(token: str, at: int) -> dict[str, Any]:
    if len(token) > LONGEST or token.count(".") != 2:
        raise SignatureRefused("it is not a signed token")
    part = token.split(".")[at]
    try:
        found = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError) as error:
        raise SignatureRefused("it cannot be read") from error
    if not isinstance(found, dict):
        raise SignatureRefused("it cannot be read")
    return found


def key_known(token: str, keys: Mapping[str, Any]) -> bool:
    """Whether the key that a token names is among some; a token that names none may be of any."""
    kid = header_of(token).get("kid")
    return kid is None or any(one.get("kid") == kid for one in keys["keys"])


def claims_of(token: str, keys: Mapping[str, Any], algorithms: Collection[str]) -> dict[str, Any]:
    """The claims of a token that one of the keys has signed, by one of the algorithms. Raises SignatureRefused with the reason."""
    header = header_of(token)
    algorithm = str(header.get("alg"))
    if algorithm not in algorithms:
        raise SignatureRefused(f"its algorithm is {algorithm[:20]}")
    if "crit" in header or "b64" in header:
        raise SignatureRefused("its header asks for an extension")
    fitting = [one for one in keys["keys"] if header.get("kid") in (None, one.get("kid")) and _fits(one, algorithm)]
    if not fitting:
        raise SignatureRefused("the key that it names is not known")
    for one in fitting:
        try:
            claims = jwt.decode(token, _key(one), algorithms=[algorithm]).claims
        except (JoseError, ValueError, TypeError, RecursionError):
            continue
        return dict(claims)
    raise SignatureRefused("its signature is wrong")


def _fits(one: Mapping[str, Any], algorithm: str) -> bool:
    """Whether a key is of the kind that an algorithm takes (RFC 7518 section 3.1), and for that algorithm where it says so."""
    if one.get("alg", algorithm) != algorithm:
        return False
    if algorithm in _CURVES:
        return one.get("kty") == "EC" and one.get("crv") == _CURVES[algorithm]
    return one.get("kty") == "RSA"


def moment(claims: Mapping[str, Any], name: str) -> float:
    """A time claim in seconds since 1970 (NumericDate). Raises SignatureRefused for one that is missing or no number."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e12:
        raise SignatureRefused(f"its {name} is missing")
    return float(value)


def audiences(claims: Mapping[str, Any]) -> list[str]:
    """The audiences of a token: one text or a list of them."""
    value = claims.get("aud")
    return [value] if isinstance(value, str) else [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
