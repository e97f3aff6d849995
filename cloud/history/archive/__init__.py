"""Past months as Parquet that anyone opens: written, proven, put back."""
