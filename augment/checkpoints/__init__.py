"""Other people's checkpoint files, read as inert data: nothing in them is executed.

| module | reads |
|---|---|
| `sniff` | what a file or folder is, by its content |
| `safetensors_file` | `.safetensors`: header checked, arrays on demand |
| `torch_file` | torch.save: zip and legacy containers, Lightning, whole modules |
| `onnx_graph` | what goes in and out of an ONNX graph, and what it is made of |
| `nvidia` | StyleGAN2-ADA and StyleGAN3 `.pkl` |
| `folders` | what of a diffusers, transformers or pythae folder may be used |
| `inert`, `plain`, `tensors`, `modules`, `container`, `stored_zip` | the parts of these |
| `limits` | how large anything may be |

Takes local paths or bytes. All trouble with a file's content is `UnsafeCheckpoint`. Knows no
generator family, no torch and no storage.
"""
