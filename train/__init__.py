"""Training stages: landmark network, encoder, language model, adapter, export."""
