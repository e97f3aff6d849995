"""IEC 61850 MMS servers built from an ICD file."""
