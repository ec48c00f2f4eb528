"""The client: which credentials, which address."""

from __future__ import annotations

import google.auth
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials, Credentials
from google.cloud import bigquery
from google.cloud.bigquery import client as client_module
from google.oauth2 import service_account

from etl_oracle_to_bq.errors import ConfigError
from etl_oracle_to_bq.load.answers import WarehouseSettings
from etl_oracle_to_bq.load.failures import translated

# The client holds one chunk of each upload in memory, some of the time twice; its own choice of
# 100 MiB can only be changed here. It must be a multiple of 256 KiB.
UPLOAD_CHUNK_BYTES = 8 * 1024 * 1024
client_module._DEFAULT_CHUNKSIZE = UPLOAD_CHUNK_BYTES
SCOPES = ("https://www.googleapis.com/auth/bigquery",)


def client_for(settings: WarehouseSettings) -> bigquery.Client:
    """The client of this project and location; asks nothing of BigQuery yet.

    Raises ConfigError `invalid-setting` for a credentials file that cannot be used, and
    DestinationError `missingCredentials` when Google finds none.
    """
    with translated("reading the credentials"):
        return bigquery.Client(
            project=settings.project,
            credentials=_credentials(settings),
            location=settings.location,
            client_options=ClientOptions(api_endpoint=settings.emulator_host or None),
        )


def _credentials(settings: WarehouseSettings) -> Credentials:
    if settings.emulator_host:
        return AnonymousCredentials()  # type: ignore[no-untyped-call]
    if not settings.credentials_file:
        credentials, _ = google.auth.default(scopes=SCOPES)
        return credentials
    try:
        found: Credentials = service_account.Credentials.from_service_account_file(  # type: ignore[no-untyped-call]
            settings.credentials_file, scopes=SCOPES
        )
        return found
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{settings.credentials_file} is no service account file that can be read "
            f"({type(error).__name__}).",
            code="invalid-setting",
        ) from None
