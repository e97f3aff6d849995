"""The register maps of the plant's Modbus devices and the quantities their sensors see."""
