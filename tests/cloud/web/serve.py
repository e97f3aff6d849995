"""Look at the console with one fed station: `python -m tests.cloud.web.serve [DAYS]`.

The station has a past of DAYS days (none by default). Prints the address and the first sign-in,
and runs until interrupted. For development only.
"""

import contextlib
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from cloud.db.migrate import migrate
from cloud.db.postgres import EmbeddedPostgres
from tests.cloud.web.console import running_console
from tests.cloud.web.past import give_past
from tests.cloud.web.plant import WARM_RACK

_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def main() -> None:
    home = Path(tempfile.mkdtemp(prefix="sm-serve-"))
    home.chmod(0o711)
    server = EmbeddedPostgres(home / "postgres", _FAST)
    server.start()
    try:
        dsn = server.dsn_of("postgres")
        migrate(dsn)
        with running_console(dsn, home / "cloud") as console:
            console.do(
                console.feeder.raise_event(
                    WARM_RACK, "cell.temperature", active=True, detail=": cell 145"
                )
            )
            if len(sys.argv) > 1:
                days = int(sys.argv[1])
                console.do(give_past(console.worker, console.feeder, days=days), 600)
            print(f"{console.url} {console.user} {console.password}", flush=True)
            with contextlib.suppress(KeyboardInterrupt):
                signal.pause()
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
