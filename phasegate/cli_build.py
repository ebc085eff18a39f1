"""Build a Worker project: what ``wrangler deploy`` would upload, kept under its digest."""

import click

from phasegate.cli_errors import reports_errors


@click.command()
@click.argument("project", type=click.Path(exists=True, file_okay=False))
@click.option("--tag", default="", help="The version's tag; default the version of package.json.")
@click.option("--message", default="", help="The version's message.")
@click.option("--out", type=click.Path(file_okay=False), default=None, help="Keep the build here.")
@reports_errors
def build(project: str, tag: str, message: str, out: str | None) -> None:
    """
    Build the Worker PROJECT with its own wrangler, once for all environments.

    Prints the path to give to `phasegate release --bundle`. No token is needed and
    none is given: nothing is sent.
    """
    import asyncio
    from pathlib import Path

    from phasegate.adapters.worker_build import Environments, build_project
    from phasegate.settings import Settings
    from phasegate.wiring import kept_builds

    settings = Settings()
    built = asyncio.run(
        build_project(
            Path(project).resolve(),
            Path(out).resolve() if out else kept_builds(settings),
            environments=Environments(settings.production_env, settings.staging_env),
            tag=tag,
            message=message,
        )
    )
    size = sum(len(module.data) for module in built.bundle.modules)
    click.echo(
        f"{built.bundle.tag or 'no tag'}: {len(built.bundle.modules)} modules, {size:,} bytes, "
        f"{len(built.bundle.assets)} assets; sha256 {built.body_digest}; wrangler {built.wrangler}, "
        f"Node {built.node}",
        err=True,
    )
    click.echo(str(built.path))
