"""Variational autoencoders: augment's own, those of pythae, AutoencoderKL of diffusers."""
