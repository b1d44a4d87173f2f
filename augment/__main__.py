"""`python -m augment` is the console command `augment`."""

from augment.cli import main

raise SystemExit(main())
