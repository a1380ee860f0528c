"""The worker process: claims jobs, runs executions in children, lets one scheduler and one sealer act."""
