"""Minutes and quarter hours, computed again from what is stored whenever that changed."""
