"""A real PKCS#11 token of SoftHSM2 for each test, without touching the machine's own tokens."""

import atexit
import itertools
import os
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path

from cloud.config import Pkcs11Section

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "271828"
_numbers = itertools.count(1)


def make_token(folder: Path) -> Pkcs11Section:
    """Initialise a token and return how to reach it; its PIN lies in a file of `folder`."""
    assert MODULE.exists(), "SoftHSM2 is not installed: apt-get install softhsm2"
    _use_own_store()
    label = f"test-{next(_numbers)}-{secrets.token_hex(3)}"
    subprocess.run(
        [
            *("softhsm2-util", "--init-token", "--free", "--label", label),
            *("--pin", PIN, "--so-pin", "314159"),
        ],
        check=True,
        capture_output=True,
    )
    _look_for_tokens()
    pin_file = folder / f"{label}.pin"
    pin_file.write_text(f"{PIN}\n")
    pin_file.chmod(0o600)
    return Pkcs11Section(module=MODULE, token=label, pin_file=pin_file)


def _use_own_store() -> None:
    """SoftHSM reads its configuration once a process: one store for all tests of it."""
    if "sm-softhsm-" in os.environ.get("SOFTHSM2_CONF", ""):
        return
    store = Path(tempfile.mkdtemp(prefix="sm-softhsm-"))
    atexit.register(shutil.rmtree, store, ignore_errors=True)
    (store / "tokens").mkdir()
    configuration = store / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {store / 'tokens'}\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(configuration)


def _look_for_tokens() -> None:
    """Have the library see a token that another process has just made."""
    import pkcs11

    from cloud.key_encryption import token

    token._sessions.clear()
    pkcs11.lib(str(MODULE)).reinitialize()
