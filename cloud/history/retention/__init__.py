"""What has been kept long enough goes, and never before its archive is proven."""
