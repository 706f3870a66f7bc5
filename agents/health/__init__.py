"""Health: checks that each say healthy, degraded or unhealthy, and the report that joins them."""
