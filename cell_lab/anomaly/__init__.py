"""Anomalies in the laboratory: racks with faults put into them, training, and evaluation."""
