"""What a process counts of its own doings, for Prometheus. Figures of the business are read from the database."""

from prometheus_client import CollectorRegistry, Counter, Histogram

REGISTRY = CollectorRegistry(auto_describe=False)
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.3, 0.5, 1.0, 2.5, 10.0)

REQUESTS = Counter(
    "tieout_http_requests_total", "HTTP requests by route and answer.", ("route", "method", "status"), registry=REGISTRY
)
REQUEST_SECONDS = Histogram(
    "tieout_http_request_seconds", "How long answers took.", ("route",), buckets=_SECONDS, registry=REGISTRY
)
PAGE_SECONDS = Histogram(
    "tieout_page_run_seconds",
    "How long a page took to run, without the frame around it.",
    ("page",),
    buckets=_SECONDS,
    registry=REGISTRY,
)
ERRORS = Counter(
    "tieout_unexpected_errors_total", "Errors shown to people with a number.", ("where",), registry=REGISTRY
)
