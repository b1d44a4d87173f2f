"""Where this machine keeps checkpoints of remote stores, and what it loads for the time being: the
operator's policy names the place, else it is the user's own cache folder."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from augment.errors import CheckpointError
from augment.policy import read_policy
from augment.storage.cache import Cache
from augment.storage.private_folder import PrivateFolder, private_folder


def node_cache(env: Mapping[str, str] | None = None) -> Cache:
    """The cache of this machine, by its policy; of this user where the policy names none.

    Raises:
        SpecError: the policy cannot be read. CheckpointError: the user has no home.
    """
    environment = os.environ if env is None else env
    policy = read_policy(environment)
    folder = policy.rules.cache.folder or _of_the_user(environment, policy.path)
    return Cache(folder, policy.rules.cache.max_bytes, f"`cache` in {policy.path}")


def features_folder(env: Mapping[str, str] | None = None) -> str:
    """Where this machine keeps features of data sets that lie where nothing may be written. Nobody
    bounds it; what is in it can be made again, so it may be removed at any time.

    Raises:
        SpecError: the policy cannot be read. CheckpointError: the user has no home.
    """
    return str(node_cache(env).folder / "features")


def loading_folder(env: Mapping[str, str] | None = None) -> AbstractContextManager[PrivateFolder]:
    """A folder of this process alone, beside the cache, so that the cache's files need no copy
    there; in the system's temporary folder for a user who has no cache.

    Raises:
        SpecError: the policy cannot be read. StorageError: it cannot be made.
    """
    try:
        cache = node_cache(env)
    except CheckpointError:
        return private_folder(Path(tempfile.gettempdir()))
    return private_folder(cache.folder / "loading", fixed=cache.folder / "entries")


def _of_the_user(env: Mapping[str, str], policy: str) -> str:
    """As the XDG base directory specification says."""
    above = env.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(above):
        home = env.get("HOME", "")
        above = os.path.join(home, ".cache") if os.path.isabs(home) else ""
    if not above:
        raise CheckpointError(
            "checkpoint cache: neither XDG_CACHE_HOME nor HOME is an absolute path; expected one "
            f"of them, or `cache: {{folder: ...}}` in {policy}"
        )
    return os.path.join(above, "augment", "checkpoints")
