"""What the plant is made of: cells, heat, converters, chillers, the grid. No I/O here."""
