"""Transformers over tokens: ImageGPT, and LlamaGen with its decoder."""
