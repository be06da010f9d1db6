"""What a broker tells over HTTP to whoever runs it: /metrics, /healthz and /stats."""

from app.monitoring.monitor import monitor

__all__ = ["monitor"]
