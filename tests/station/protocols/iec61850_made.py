"""Converters of other makes, served by open61850 from ICD files that are written here."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from open61850.server.control import Command
from open61850.server.model import IedModel
from open61850.server.server import MmsServer

from simulator.iec61850.icd import icd
from tests.station.protocols.iec61850_peer import ICD

IED = "K7"
ROOT = f"{IED}PCS1"
_METER = {
    "MMXU1": {
        **dict.fromkeys(("TotW", "TotVAr", "TotVA", "TotPF", "Hz"), "MV"),
        "PPV": "DEL",
        "A": "WYE",
    },
    "MMDC1": {"Watt": "MV", "Amp": "MV", "Vol": "MV"},
}
_MEASURED = [f"MMXU1.{name}[MX]" for name in _METER["MMXU1"]] + ["MMDC1.Amp[MX]", "MMDC1.Vol[MX]"]
MODES = ("ModOnConn", "ModOnAval", "ModOffAval", "ModOffUnav", "ModTest")
EDITION_1 = icd(
    {
        **_METER,
        "ZINV1": {"WRtg": "ASG", "HeatSinkTmp": "MV", "OutWSet": "APC", "OutVarSet": "APC"},
        "DRCC1": {"OutWSet": "APC", "OutVarSet": "APC", "DERStr": "DPC", "DERStop": "DPC"},
        "DRCS1": dict.fromkeys((*MODES, "ECPConn", "Loc"), "SPS"),
        "CALH1": {"GrAlm": "SPS"},
    },
    {
        "dsStat": [f"DRCS1.{n}[ST]" for n in (*MODES, "ECPConn", "Loc")] + ["CALH1.GrAlm[ST]"],
        "dsMeas": [
            *_MEASURED,
            *(f"ZINV1.{n}[MX]" for n in ("HeatSinkTmp", "OutWSet", "OutVarSet")),
        ],
    },
    ICD,
)
EDITION_2 = icd(
    {
        **_METER,
        "DSTO1": {"DEROpSt": "INS", "WMaxRtg": "ASG"},
        "DECP1": {"WRtg": "ASG", "VArRtg": "ASG"},
        "DAGC1": {"WSptPct": "APC", "ReqW": "MV"},
        "DWMX1": {"WMaxSptPct": "APC"},
        "DVAR1": {"VArTgtSptPct": "APC", "ReqVAr": "MV"},
        "STMP1": {"Tmp": "MV"},
        "XCBR1": {"Pos": "DPC", "Loc": "SPS"},
        "CSWI1": {"Pos": "DPC"},
    },
    {
        "dsState": ["DSTO1.DEROpSt[ST]", "XCBR1.Pos[ST]", "XCBR1.Loc[ST]"],
        "dsMeasures": [*_MEASURED, "DAGC1.ReqW[MX]", "DVAR1.ReqVAr[MX]", "STMP1.Tmp[MX]"],
    },
    ICD,
)
MEASURED = {
    "MMXU1.TotW.mag.f": -750_000.0,
    "MMXU1.TotVAr.mag.f": 20_000.0,
    "MMXU1.TotVA.mag.f": 750_300.0,
    "MMXU1.TotPF.mag.f": -0.99,
    "MMXU1.Hz.mag.f": 49.98,
    "MMXU1.PPV.phsAB.cVal.mag.f": 690.0,
    "MMXU1.PPV.phsBC.cVal.mag.f": 691.0,
    "MMXU1.PPV.phsCA.cVal.mag.f": 692.0,
    "MMXU1.A.phsA.cVal.mag.f": 600.0,
    "MMXU1.A.phsB.cVal.mag.f": 601.0,
    "MMXU1.A.phsC.cVal.mag.f": 602.0,
    "MMDC1.Amp.mag.f": -560.0,
    "MMDC1.Vol.mag.f": 1340.0,
}


class Made:
    """One such converter at a free port; the test says what it shows."""

    def __init__(self, folder: Path, text: str) -> None:
        self.icd = folder / f"{IED}.icd"
        self.icd.write_text(text.replace("TEMPLATE", IED), "utf-8")
        self.model = IedModel.from_scl(str(self.icd), IED)
        self.server = MmsServer(self.model, "127.0.0.1", 0)
        self.commands: list[tuple[str, object]] = []
        self.now_s = int(time.time())

    def start(self, *controls: str) -> "Made":
        self.server.start()
        assert self.server.controls is not None
        for control in controls:

            def handler(command: Command, control: str = control) -> None:
                value = command.ctl_val
                plain = value.members[0].value if hasattr(value, "members") else value.value
                self.commands.append((control, plain))

            self.server.controls.set_handler(f"{ROOT}/{control}", handler)
        return self

    def show(self, values: Mapping[str, object]) -> int:
        """Show values at the next second; return it in milliseconds."""
        self.now_s += 1
        stamp = datetime.fromtimestamp(self.now_s, UTC)
        with self.model.batch():
            for attribute, value in values.items():
                constraint = "ST" if attribute.endswith("stVal") else "MX"
                self.model.set(f"{ROOT}/{attribute}[{constraint}]", value)
                parts = attribute.split(".")
                cut = parts.index(next(p for p in parts if p in {"mag", "cVal", "mxVal", "stVal"}))
                self.model.set(f"{ROOT}/{'.'.join(parts[:cut])}.t[{constraint}]", stamp)
        return self.now_s * 1000

    def enabled(self, block: str) -> bool:
        assert self.server.reports is not None
        return self.server.reports.controls[ROOT, f"LLN0$BR${block}"].enabled

    def stop(self) -> None:
        self.server.stop()
