"""A region on twins for every test."""

import pytest
from starlette.testclient import TestClient

from tests.access.web.twins import Region, region
from tests.access.web.visits import signed_in


@pytest.fixture
def made() -> Region:
    return region()


@pytest.fixture
def client(made: Region) -> TestClient:
    return signed_in(made)
