"""An ERP that these tests may change, and an installation for each of them.

    erp        an Oracle stand-in of this ring's own; its tables may be changed
    oracle     ERP's own account in it
    house      a fresh copy of an installation that knows the nine views, in a dataset of its own
    new_house  the same, made on demand, with settings

Faults of the ERP are cleared after every test.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.house import House
from tests.acceptance.oracle import Oracle
from tests.installation import store_row
from tests.sandbox.demo import STORE, source_rows

if TYPE_CHECKING:
    from google.cloud import bigquery

    from tests.sandbox.bigquery.launcher import BigQueryEmulator
    from tests.sandbox.serve import Sandbox

ERP_ROWS = 600
NewHouse = Callable[..., House]
_numbers = itertools.count(1)


def dataset_name() -> str:
    """A dataset that no other test uses, in this process or another."""
    return f"acceptance_{os.getpid()}_{next(_numbers)}"


@pytest.fixture(scope="session")
def erp() -> Iterator[Sandbox]:
    """About 600 rows over nine views; tests may change them and compare with what is there."""
    from tests.sandbox.serve import Sandbox

    with Sandbox(ERP_ROWS, bigquery=False) as running:
        yield running


@pytest.fixture(autouse=True)
def _no_fault_of_the_erp_outlives_its_test(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "erp" in request.fixturenames:
        request.getfixturevalue("erp").faults.clear()


@pytest.fixture(scope="session")
def oracle(erp: Sandbox) -> Oracle:
    return Oracle(erp)


@pytest.fixture(scope="session")
def client(bigquery_sandbox: BigQueryEmulator) -> Iterator[bigquery.Client]:
    """BigQuery's own client on the emulator."""
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import bigquery

    client = bigquery.Client(
        project=bigquery_sandbox.project,
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": bigquery_sandbox.host},
    )
    yield client
    client.close()


@pytest.fixture(scope="session")
def base_settings(bigquery_sandbox: BigQueryEmulator) -> dict[str, str]:
    return {
        "BIGQUERY_EMULATOR_HOST": bigquery_sandbox.host,
        "GOOGLE_CLOUD_PROJECT": bigquery_sandbox.project,
        "ETL_ATTEMPTS": "1",
        "ETL_RETRY_SECONDS": "0",
    }


@pytest.fixture(scope="session")
def template(
    tmp_path_factory: pytest.TempPathFactory,
    erp: Sandbox,
    client: bigquery.Client,
    base_settings: dict[str, str],
) -> House:
    """The installation that each house is copied from: one store, the nine views."""
    from cryptography.fernet import Fernet

    keys = {"ETL_SECRET_KEYS": Fernet.generate_key().decode("ascii")}
    made = House(
        None, tmp_path_factory.mktemp("template"), "template", client, base_settings | keys
    )
    env = erp.env()
    made.installation.configure(
        [store_row(STORE, env)], source_rows(), {STORE: erp.reader_password}
    )
    return made


@pytest.fixture(scope="session")
def new_house(
    template: House, client: bigquery.Client, tmp_path_factory: pytest.TempPathFactory
) -> NewHouse:
    """`new_house(NAME=value, ...)`: a house with these settings."""

    def make(**settings: str) -> House:
        folder: Path = tmp_path_factory.mktemp("house")
        return House(template, folder, dataset_name(), client, settings)

    return make


@pytest.fixture
def house(new_house: NewHouse) -> House:
    return new_house()
