"""What every test may ask for."""

from prefect_server import prefect_server

__all__ = ["prefect_server"]
