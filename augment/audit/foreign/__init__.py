"""Data sets that augment did not write: folders of images, and rows that do not say where they
come from. Their images are read for what they say of themselves. Below the audit's table: knows
no check and no report.
"""

from augment.audit.foreign.image_folder import ImageFiles, PictureFolder, list_images
from augment.audit.foreign.looked import Look, LookedShard

__all__ = ["ImageFiles", "Look", "LookedShard", "PictureFolder", "list_images"]
