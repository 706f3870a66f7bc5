"""Pure functions over rows: what the operations of `data_transform` do."""
