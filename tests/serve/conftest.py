"""A gateway over the toy weights, started once."""

import pytest
from gateways import new_house, serving_house

from facellm.serve.doorkeepers import new_policy
from facellm.serve.local_engine import LocalEngine


@pytest.fixture(scope="session")
def toy_house(tiny_checkpoint):
    """The house behind ``toy_url``."""
    engine = LocalEngine(tiny_checkpoint, readings="torch")
    return new_house(tiny_checkpoint, engine, policy=new_policy("personal"))


@pytest.fixture(scope="session")
def toy_url(toy_house):
    """Address of a real server over the toy weights."""
    with serving_house(toy_house) as url:
        yield url
