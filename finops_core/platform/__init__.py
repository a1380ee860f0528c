"""Settings, database, crypto, queue, ports and the one place that commits."""
