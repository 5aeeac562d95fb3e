"""Serving: engines that run the model, and the gateway that strangers may talk to."""
