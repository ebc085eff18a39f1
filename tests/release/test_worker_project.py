"""A release begins at a Worker project: wrangler builds it, workerd runs it, the runbook's checks pass."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from examples.demo.javascript import first_version
from phasegate.domain.errors import BundleError
from phasegate.domain.plan import Environment
from phasegate.edge.config import EdgeConfig
from phasegate.edge.server import Edge
from phasegate.wiring import outside, read_bundle, settle_bundle
from tests.release.javascript_stage import javascript_stage, projects
from tests.release.stage import ROOT, SERVICE, settings_for
from tests.release.test_keeper_takes_back import RELEASE, opened, watched
from tests.toolchain import needs_wrangler

INTEGRATION = ROOT / "examples" / "spring-rate-api" / "integration.py"


@needs_wrangler
async def test_a_project_is_built_once_and_serves_both_environments(tmp_path: Path):
    """
    The same bytes pass the runbook's validation in staging and then serve production.
    """
    async with Edge(EdgeConfig(rate_limit=None)) as edge:
        settings = settings_for(edge, tmp_path)
        [project] = await projects(edge, tmp_path, "0.1.12")

        settled = await settle_bundle(settings, str(project))
        bundle = read_bundle(settings, settled)
        async with outside(settings, role="test") as hands:
            await first_version(hands, settings, SERVICE, Path(settled))
            checked = await asyncio.to_thread(_validate, edge.front_url(f"{SERVICE}-staging"))
            tags = [version.tag for version in await hands.target.versions(SERVICE)]

    assert Path(settled).is_relative_to(tmp_path / "bundles")
    assert [checked.returncode, checked.stdout.count("ok ")] == [0, 11], checked.stdout
    assert tags == ["0.1.12", "0.1.12"]
    staged = {each["name"]: each.get("text") for each in bundle.metadata[Environment.STAGING]["bindings"]}
    assert staged["ENVIRONMENT"] == "staging"


async def test_a_ready_bundle_is_left_alone(tmp_path: Path):
    """
    Only a project is built.
    """
    async with Edge(EdgeConfig(rate_limit=None)) as edge:
        settings = settings_for(edge, tmp_path)

    assert await settle_bundle(settings, "dist/bundle") == "dist/bundle"


def _validate(url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(INTEGRATION)],
        env=os.environ | {"STAGING_URL": url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@needs_wrangler
async def test_a_version_that_dies_at_start_up_is_refused_by_the_platform(tmp_path: Path):
    """
    It builds well; Cloudflare runs it once before it takes it.
    """
    async with Edge(EdgeConfig(rate_limit=None)) as edge:
        settings = settings_for(edge, tmp_path)
        [project] = await projects(edge, tmp_path, "0.1.13-startup")
        bundle = read_bundle(settings, await settle_bundle(settings, str(project)))
        async with outside(settings, role="test") as hands:
            with pytest.raises(BundleError, match=r"(?s)Uncaught TypeError.*index\.js.*code 10021"):
                await hands.target.create(SERVICE, bundle, environment=Environment.STAGING, release="r")


@needs_wrangler
async def test_a_version_that_leaks_is_taken_back(tmp_path: Path):
    """
    The runtime ends it at its memory limit, its users get errors, and the keeper needs no more than that.
    """
    async with javascript_stage(tmp_path, "0.1.13-crash") as world:
        await opened(world, "0.1.13-crash", world.plan())
        traffic = asyncio.create_task(world.traffic(seconds=30, rate=50))

        async def back() -> bool:
            return (await world.weights()) == {"0.1.11": 100}

        taken_back = await watched(world.settings, until=back, limit=30)
        traffic.cancel()
        state = await world.state(RELEASE)

    assert taken_back
    assert state.breach[0].criterion in ("error-rate", "health")
