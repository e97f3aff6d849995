"""From the station to the cloud and back: queue, sender, live lane, orders."""
