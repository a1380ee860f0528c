"""The explicit lists: tables, operations, jobs, checks and who hears which news. Nothing registers itself."""
