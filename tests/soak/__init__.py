"""`make soak`: the whole desk at work for twenty minutes, each of its processes killed once; not run by pytest."""
