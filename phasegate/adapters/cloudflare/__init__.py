"""Cloudflare Workers: versions and traffic over the API, counts over Workers Observability."""

from phasegate.adapters.cloudflare.analytics import CloudflareAnalytics
from phasegate.adapters.cloudflare.client import CloudflareClient
from phasegate.adapters.cloudflare.d1 import CloudflareD1
from phasegate.adapters.cloudflare.target import CloudflareTarget
from phasegate.adapters.cloudflare.telemetry import CloudflareTelemetry

__all__ = ["CloudflareAnalytics", "CloudflareClient", "CloudflareD1", "CloudflareTarget"]
__all__ += ["CloudflareTelemetry"]
