"""The command line for programs of people: the verbs of the screens and the API, in their name, by their token.

Nothing here goes over the network: a command opens the desk where it runs, and leaves the same lines in the log.
"""
