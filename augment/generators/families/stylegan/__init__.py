"""StyleGAN2 and StyleGAN3: one mapping and one set of operations, two syntheses."""
