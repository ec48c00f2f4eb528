"""Every correction of the sandbox, in one list."""

from __future__ import annotations

from typing import Any

from bqemulator import server
from fastapi import FastAPI

from tests.sandbox.bigquery import (
    bignumeric,
    dataset_routes,
    ddl,
    engine,
    failures,
    job_routes,
    scripts,
    streaming,
    table_routes,
    uploads,
)
from tests.sandbox.bigquery.corrections import Patch
from tests.sandbox.bigquery.runner import Runner

_stock_create_app = server.create_app


class _NoStorageApi:
    """The gRPC Storage API is not offered: it would bypass every correction of loads."""

    async def start(self) -> None:
        """Listen to nothing."""

    async def stop(self, grace: float) -> None:
        """Nothing to stop."""


def _no_grpc_server(context: Any) -> tuple[_NoStorageApi, int]:
    return _NoStorageApi(), 0


def _create_app(context: Any) -> FastAPI:
    """The emulator's application with the sandbox's routes before its own."""
    app = _stock_create_app(context)
    app.state.runner = Runner(context)
    app.state.uploads = uploads.Sessions(context.settings.upload_staging_dir)
    stock = list(app.router.routes)
    app.router.routes.clear()
    for module in (job_routes, uploads, table_routes, dataset_routes, streaming):
        app.include_router(module.router)
    app.router.routes.extend(stock)
    return app


def all_patches() -> list[Patch]:
    """What `corrections.apply` shall replace."""
    return [
        *engine.patches(),
        *bignumeric.patches(),
        *failures.patches(),
        *scripts.patches(),
        *ddl.patches(),
        Patch("bqemulator.server:create_app", _create_app, "see the routes' own modules"),
        Patch("bqemulator.server:build_grpc_server", _no_grpc_server, "the sandbox's own choice"),
    ]
