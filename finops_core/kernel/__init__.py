"""Values and descriptors every floor may use; imports nothing of Tieout."""
