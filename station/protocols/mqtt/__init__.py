"""Small sensors (gas, smoke, humidity) that tell what they measure to an MQTT broker."""
