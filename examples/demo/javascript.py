"""The demo on ``workerd``: projects built by the real wrangler, without a credential, and a first version."""

import asyncio
import secrets
from pathlib import Path

import httpx

from phasegate.actions.outside import Outside
from phasegate.adapters.worker_build import build_project
from phasegate.domain.plan import Environment
from phasegate.settings import Settings
from phasegate.wiring import read_bundle

SECRET = "SESSION_SECRET"


def build_all(projects: dict[str, Path], kept: Path) -> dict[str, Path]:
    """Build every project; the bundle of each, by the same name."""

    async def build() -> dict[str, Path]:
        return {name: (await build_project(project, kept)).path for name, project in projects.items()}

    return asyncio.run(build())


async def first_version(hands: Outside, settings: Settings, service: str, bundle: Path) -> None:
    """Create both Workers and give each its secret, which stays on it: bundles carry none."""
    workers = {Environment.PRODUCTION: service, Environment.STAGING: f"{service}-staging"}
    for environment, worker in workers.items():
        ready = read_bundle(settings, str(bundle))
        await hands.target.create(worker, ready, environment=environment, release="first")
        await _put_secret(settings, worker)


async def _put_secret(settings: Settings, worker: str) -> None:
    url = f"{settings.api_url}/accounts/{settings.account_id}/workers/scripts/{worker}/secrets"
    secret = {"name": SECRET, "text": secrets.token_urlsafe(32), "type": "secret_text"}
    headers = {"Authorization": f"Bearer {settings.token.get_secret_value()}"}
    async with httpx.AsyncClient(headers=headers, timeout=30) as client:
        (await client.put(url, json=secret)).raise_for_status()
