"""Sign-in by OpenID Connect: the provider, what its claims mean here, and the accounts that come of it."""
