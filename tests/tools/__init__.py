"""Set-up programs of `make`: the environment, the browser, the pinned requirements, the deep run."""
