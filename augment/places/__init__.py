"""What a request may name outside itself, as text: places, addresses, storage options.

One grammar for each, used by whoever takes such a text: the job file, the command line, the
operator's policy, storage. Opens, resolves and connects to nothing.
"""

from augment.places.addresses import (
    CLIENT,
    is_loopback,
    read_cluster,
    read_dashboard,
    read_endpoint,
    read_interface,
)
from augment.places.fault import Fault, quoted
from augment.places.names import (
    FAMILIES,
    SCHEMES,
    Place,
    is_local,
    place_of,
    read_place,
    table_fault,
)
from augment.places.options import (
    SHORTEST_KEY,
    Options,
    block_of,
    endpoints,
    family_of,
    faults_in,
    own_options,
)

__all__ = [
    "CLIENT",
    "FAMILIES",
    "SCHEMES",
    "SHORTEST_KEY",
    "Fault",
    "Options",
    "Place",
    "block_of",
    "endpoints",
    "family_of",
    "faults_in",
    "is_local",
    "is_loopback",
    "own_options",
    "place_of",
    "quoted",
    "read_cluster",
    "read_dashboard",
    "read_endpoint",
    "read_interface",
    "read_place",
    "table_fault",
]
