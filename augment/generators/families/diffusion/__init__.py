"""Class-conditional diffusion with a UNet2DModel: the network, its schedule, the samplers."""
