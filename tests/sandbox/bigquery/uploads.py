"""Uploads: a load job with its file, in one multipart request or in resumable chunks.

Source: https://docs.cloud.google.com/bigquery/docs/reference/api-uploads. The caller's job id is
kept. A chunk that is sent again after the upload was finished is answered 404 (unverified: it is
the hardest answer for a client, who must ask for its job).
"""

from __future__ import annotations

import email.parser
import email.policy
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from bqemulator.domain.errors import NotFoundError, ValidationError
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from tests.sandbox.bigquery.job_routes import new_job
from tests.sandbox.bigquery.loads import LoadRun
from tests.sandbox.bigquery.registry import Job
from tests.sandbox.bigquery.runner import Runner, runner_of

router = APIRouter(prefix="/upload/bigquery/v2/projects/{project}")
_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")
_INCOMPLETE = 308


@dataclass
class _Session:
    job: Job
    path: Path
    received: int = 0


class Sessions:
    """Unfinished uploads, on disk under the staging directory; a restart forgets them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        self._open: dict[str, _Session] = {}

    def new_file(self) -> Path:
        """A path for one staged file."""
        return self._directory / f"{uuid4().hex}.bin"

    def open(self, job: Job) -> str:
        """Begin a resumable upload; returns its id."""
        upload_id = uuid4().hex
        session = _Session(job, self.new_file())
        session.path.touch()
        self._open[upload_id] = session
        return upload_id

    def get(self, upload_id: str) -> _Session:
        """The open upload, or NotFoundError."""
        session = self._open.get(upload_id)
        if session is None:
            raise NotFoundError(f"Upload session {upload_id} not found")
        return session

    def close(self, upload_id: str) -> None:
        """Forget a finished upload."""
        self._open.pop(upload_id).path.unlink(missing_ok=True)


def _sessions(request: Request) -> Sessions:
    sessions: Sessions = request.app.state.uploads
    return sessions


@router.post("/jobs")
async def begin(project: str, request: Request, uploadType: str = "") -> Response:
    """Begin an upload, or do it at once."""
    runner = runner_of(request.app.state)
    if uploadType == "multipart":
        return await _multipart(project, request, runner)
    if uploadType != "resumable":
        raise ValidationError(f"uploadType {uploadType!r} is not supported for jobs.insert")
    job = _load_job(runner, project, await request.json())
    runner.registry.refuse_known(job.project, job.job_id, job.location)
    upload_id = _sessions(request).open(job)
    location = request.url.include_query_params(uploadType="resumable", upload_id=upload_id)
    headers = {"Location": str(location), "X-GUploader-UploadID": upload_id}
    return Response(status_code=200, headers=headers)


@router.put("/jobs")
async def chunk(request: Request, upload_id: str = "") -> Response:
    """Take one chunk of a resumable upload; after the last one the job runs."""
    session = _sessions(request).get(upload_id)
    header = request.headers.get("content-range")
    match = _RANGE.fullmatch(header or "bytes 0-0/*")
    if match is None:
        raise ValidationError("Malformed Content-Range")
    first, _, total = match.groups()
    if first is not None:
        await _append(request, session, int(first))
    if header is None or (total != "*" and session.received == int(total)):
        runner = runner_of(request.app.state)
        try:
            await runner.run_job(session.job, LoadRun(runner, session.path))
        finally:
            _sessions(request).close(upload_id)
        return JSONResponse(session.job.resource())
    headers = {"Range": f"bytes=0-{session.received - 1}"} if session.received else {}
    return Response(status_code=_INCOMPLETE, headers=headers)


async def _append(request: Request, session: _Session, first: int) -> None:
    if first > session.received:
        raise ValidationError(f"The upload continues at byte {session.received}, not {first}")
    # Only whole chunks count: what a broken connection left of one is cut off again.
    with session.path.open("r+b") as file:
        file.truncate(session.received)
        file.seek(first)
        async for data in request.stream():
            file.write(data)
        session.received = file.tell()


async def _multipart(project: str, request: Request, runner: Runner) -> Response:
    envelope, media = _parts(request.headers.get("content-type", ""), await request.body())
    job = _load_job(runner, project, envelope)
    path = _sessions(request).new_file()
    path.write_bytes(media)
    try:
        await runner.run_job(job, LoadRun(runner, path))
    finally:
        path.unlink(missing_ok=True)
    return JSONResponse(job.resource())


def _load_job(runner: Runner, project: str, body: dict[str, Any]) -> Job:
    job = new_job(runner, project, body)
    if job.kind != "LOAD":
        raise ValidationError("Only load jobs can be uploaded")
    return job


def _parts(content_type: str, body: bytes) -> tuple[dict[str, Any], bytes]:
    """The JSON and the media of a multipart/related body, media bytes untouched."""
    header = email.parser.HeaderParser(policy=email.policy.default).parsestr(
        f"Content-Type: {content_type}\n\n"
    )
    boundary = header.get_boundary()
    if not boundary:
        raise ValidationError("A multipart upload needs a boundary")
    return _split_parts(body, b"--" + boundary.encode("latin-1"))


def _split_parts(body: bytes, mark: bytes) -> tuple[dict[str, Any], bytes]:
    start = body.index(mark) + len(mark)
    middle = body.index(b"\r\n" + mark, start)
    end = body.rindex(b"\r\n" + mark)
    envelope = json.loads(_content(body[start:middle]))
    return envelope, _content(body[middle + 2 + len(mark) : end])


def _content(part: bytes) -> bytes:
    _, _, content = part.partition(b"\r\n\r\n")
    return content
