"""The families that a job can name: one file or one folder each, and none imports another.

A folder has `host` (what a job says -> facts, then a loaded generator) and beside it the network,
how others' files become ours (`convert`), and what else is the family's own. Families that are one
network in two shapes share a folder: `stylegan` has StyleGAN2 and 3, `translation` the resnet and
the U-Net of CycleGAN and pix2pix. What several families need stands above: `loading`, `hosting`,
`one_pass`, `source_image`, `labels`, `checkpoint`, `foreign`.
"""
