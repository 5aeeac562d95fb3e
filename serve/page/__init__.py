"""The page people use: what it shows is read from the gateway's own API."""
