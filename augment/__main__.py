"""`python -m augment` is the console command `augment`, once the folder that `-m` puts before
the standard library is forgotten: nothing is to be imported from where somebody happens to stand.
"""

import sys

if not sys.flags.safe_path:
    del sys.path[0]

from augment.program import program

program()
