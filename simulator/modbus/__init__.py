"""Modbus TCP servers over register images."""
