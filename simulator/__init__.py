"""A virtual battery-storage plant: physics, real IEC 61850 and Modbus servers, scenarios."""
