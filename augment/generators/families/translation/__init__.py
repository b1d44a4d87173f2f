"""Networks that make an image from an image: the resnet and the U-Net of CycleGAN and pix2pix."""
