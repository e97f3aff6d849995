"""A virtual plant with real protocol servers. Shares no code with the station."""
