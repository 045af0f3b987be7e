"""The OpenID provider that the settings name."""

from __future__ import annotations

from pathlib import Path

from panorad.access.oidc.fetch import ProviderAway, check_address
from panorad.access.oidc.mapping import RuleInvalid, rules
from panorad.access.oidc.provider import Provider, Registration
from panorad.settings import SettingInvalid, Settings


def provider_of(settings: Settings) -> Provider | None:
    """The provider, None where none is set. Raises SettingInvalid for settings that cannot work."""
    if not settings.oidc_issuer:
        return None
    try:
        check_address(settings.oidc_issuer, settings.oidc_issuer)
        table = rules(settings.oidc_roles)
    except ProviderAway as error:
        raise SettingInvalid("oidc_issuer is an https address") from error
    except RuleInvalid as error:
        raise SettingInvalid(f"oidc_roles: {error.detail} is not VALUE=INSTITUTION:ROLE") from error
    if not settings.oidc_client_id or not settings.oidc_client_secret:
        raise SettingInvalid("oidc_issuer needs oidc_client_id and oidc_client_secret")
    if "openid" not in settings.oidc_scopes.split():
        raise SettingInvalid("oidc_scopes holds no openid")
    return Provider(
        Registration(
            settings.oidc_issuer,
            settings.oidc_client_id,
            _secret(settings),
            settings.oidc_scopes,
            settings.oidc_name,
            table,
            settings.oidc_roles_claim,
            settings.oidc_institution_claim,
            settings.oidc_login_claim,
        )
    )


def _secret(settings: Settings) -> str:
    """The client secret itself, or what stands in the file that it names (a path within the home folder, or a whole one)."""
    given = settings.oidc_client_secret
    if not given.startswith("file:"):
        return given
    try:
        return (settings.home / Path(given.removeprefix("file:"))).read_text("utf-8").strip()
    except OSError as error:
        raise SettingInvalid("the file of oidc_client_secret cannot be read") from error
