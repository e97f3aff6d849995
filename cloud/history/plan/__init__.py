"""What a station's history will take, and cost."""
