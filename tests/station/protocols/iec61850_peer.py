"""A converter served by open61850, an independent implementation in pure Python.

Ticks are made by the test, so that it knows exactly which samples there were.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from open61850.data import BitStringData, TimestampData
from open61850.server.control import Command
from open61850.server.model import IedModel
from open61850.server.server import MmsServer

ICD = Path(__file__).parents[3] / "data" / "profiles" / "pcs.icd"
ROOT = "C1PCSPCS1"

ANALOG = {
    "MMXU1.TotW.mag.f": 600_000.0,
    "MMXU1.TotVAr.mag.f": -50_000.0,
    "MMXU1.TotVA.mag.f": 602_080.0,
    "MMXU1.TotPF.mag.f": 0.9965,
    "MMXU1.Hz.mag.f": 50.012,
    "MMXU1.PPV.phsAB.cVal.mag.f": 690.1,
    "MMXU1.PPV.phsBC.cVal.mag.f": 690.2,
    "MMXU1.PPV.phsCA.cVal.mag.f": 690.3,
    "MMXU1.A.phsA.cVal.mag.f": 503.1,
    "MMXU1.A.phsB.cVal.mag.f": 503.2,
    "MMXU1.A.phsC.cVal.mag.f": 503.3,
    "MMDC1.Watt.mag.f": 612_000.0,
    "MMDC1.Amp.mag.f": 465.0,
    "MMDC1.Vol.mag.f": 1316.1,
    "ZINV1.HeatSinkTmp.mag.f": 41.5,
    "DRCC1.OutWSet.mxVal.f": 600_000.0,
    "DRCC1.OutVarSet.mxVal.f": -50_000.0,
}


def quality(validity: int = 0, *, test: bool = False) -> BitStringData:
    """Return a Quality: validity 0 good, 1 invalid, 3 questionable (the two bits as written)."""
    bits = validity << 14 | int(test) << 4
    return BitStringData(bits.to_bytes(2, "big"), 3)


class Converter:
    """One converter at a free port; `tick` publishes a physics tick as a real one does."""

    def __init__(
        self,
        folder: Path,
        ied: str = "C1PCS",
        *,
        change: Callable[[str], str] = str,
        port: int = 0,
    ) -> None:
        self.icd = folder / f"{ied}.icd"
        text = change(ICD.read_text("utf-8").replace("TEMPLATE", ied))
        self.icd.write_text(text, "utf-8")
        self.model = IedModel.from_scl(str(self.icd), ied)
        self.server = MmsServer(self.model, "127.0.0.1", port)
        self.commands: list[tuple[str, object]] = []
        self.published: list[int] = []
        self.time_quality = 0
        # The device's clock runs with the station's, or its values would be questionable.
        self.now_s = self.began_s = int(time.time())
        self.set_state("ZINV1.GridModSt.stVal", 2)
        self.set_state("XCBR1.Pos.stVal", 2)

    def start(self) -> "Converter":
        self.server.start()
        for point in ("OutWSet", "OutVarSet", "DERStr", "DERStop"):
            self.on_command(point, lambda command: None)
        return self

    def on_command(self, point: str, answer: Callable[[Command], int | None]) -> None:
        def handler(command: Command) -> int | None:
            self.commands.append((point, command.ctl_val))
            return answer(command)

        assert self.server.controls is not None
        self.server.controls.set_handler(f"{ROOT}/DRCC1.{point}", handler)

    def check_command(self, point: str, cause: int | None) -> None:
        assert self.server.controls is not None
        self.server.controls.set_check(f"{ROOT}/DRCC1.{point}", lambda command: cause)

    def drop_clients(self) -> None:
        for connection in list(self.server.connections):
            connection.close()

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def enabled(self) -> bool:
        assert self.server.reports is not None
        return self.server.reports.controls[ROOT, "LLN0$BR$brMeas"].enabled

    def set_state(self, attribute: str, value: object) -> None:
        """Change a state now, stamped with the present tick."""
        with self.model.batch():
            self.model.set(f"{ROOT}/{attribute}[ST]", value)
            base = attribute.rpartition(".")[0]
            self.model.set(f"{ROOT}/{base}.t[ST]", datetime.fromtimestamp(self.now_s, UTC))

    def tick(self, *, only: tuple[str, ...] = tuple(ANALOG), **states: object) -> int:
        """Advance one second; return the tick's time in milliseconds."""
        self.now_s += 1
        stamp = TimestampData(datetime.fromtimestamp(self.now_s, UTC), self.time_quality)
        for attribute, value in states.items():
            self.set_state(attribute.replace("_", "."), value)
        with self.model.batch():
            for attribute in only:
                step = self.now_s - self.began_s
                self.model.set(f"{ROOT}/{attribute}[MX]", ANALOG[attribute] + step)
                base = attribute.split(".")
                cut = base.index(next(p for p in base if p in {"mag", "cVal", "mxVal"}))
                self.model.set(f"{ROOT}/{'.'.join(base[:cut])}.t[MX]", stamp)
        self.published.append(self.now_s * 1000)
        return self.now_s * 1000

    def stop(self) -> None:
        self.server.stop()


def deadline_ms(within_s: float) -> int:
    return int((time.time() + within_s) * 1000)
