"""Stored samples: batches become hour blocks, and both are read as one."""
