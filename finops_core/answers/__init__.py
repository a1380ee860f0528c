"""What programs are told: the frozen views of the areas as documented JSON, the same over HTTP and on the command line.

No rule lives here and nothing is read: an answer is made from a view that the person may see.
"""
