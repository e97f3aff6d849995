"""SunSpec devices for tests, their registers encoded by the SunSpec Alliance's own library."""

import sunspec2.device as sunspec

from tests.station.protocols.modbus_server import Bank

BANK = 803


def words(data: bytes) -> list[int]:
    return [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]


def model_data(number: int, values: dict, groups: list[dict] | None) -> dict:
    """Return a model's points as the library takes them."""
    data = {"ID": number, **values}
    if groups:
        repeating = sunspec.get_model_def(number)["group"]["groups"][0]
        data |= {repeating["name"]: groups}
        if isinstance(repeating["count"], str):
            data.setdefault(repeating["count"], len(groups))
    return data


def encoded(number: int, values: dict, groups: list[dict] | None = None) -> list[int]:
    """Return a model's registers, id and length included; values are raw, as registers hold them.

    Args:
        number: id of the model.
        values: of its points.
        groups: of its repeating group, one dictionary each.
    """
    data = model_data(number, values, groups)
    counted = data | {"NStr": len(groups or ())} if number == BANK else data
    registers = words(sunspec.Model(number, data=counted).get_mb())
    if number == BANK and "NStr" in values:
        registers[2] = values["NStr"]  # what a device tells may differ from what it has
    return registers


def common() -> list[int]:
    return encoded(1, {"Mn": "Independent", "Md": "Device", "SN": "1"})


def bank_of(models: list[list[int]], base: int = 40000, end: tuple[int, ...] = (0xFFFF, 0)) -> Bank:
    bank = Bank()
    chain = [*words(b"SunS"), *(word for one in models for word in one), *end]
    bank.write(3, base, *chain)
    return bank


def battery_models(strings: int = 2, modules: int = 3, cells: int = 8) -> list[list[int]]:
    """Return a bank of strings; the last module of each has a scale factor of its own."""
    models = [
        common(),
        encoded(802, {"SoC": 500, "SoC_SF": -1, "V": 12345, "V_SF": -1, "A": -42, "A_SF": 0,
                      "AMax_SF": 0, "AChaMax": 100, "ADisChaMax": 90, "ChaSt": 4}),
        encoded(803, {"NStr": strings, "CellV_SF": -3, "ModTmp_SF": -1, "A_SF": -1, "SoC_SF": -1},
                [{"StrNMod": modules, "StrSoC": 511, "StrA": -105} for _ in range(strings)]),
    ]  # fmt: skip
    for string in range(1, strings + 1):
        models.append(
            encoded(
                804,
                {"Idx": string, "NMod": modules, "St": 3, "SoC": 500 + string, "SoH": 990,
                 "A": -200 * string, "V": 12000 + string, "CellVMax": 3400, "CellVMin": 3300,
                 "CellVAvg": 3350, "ModTmpMax": 301, "ModTmpMin": 252, "ModTmpAvg": 275,
                 "Evt1": 1 << 1 | 1 << 12, "SoC_SF": -1, "SoH_SF": -1, "A_SF": -1, "V_SF": -1,
                 "CellV_SF": -3, "ModTmp_SF": -1},
                [{"ModNCell": cells} for _ in range(modules)],
            )
        )  # fmt: skip
        for module in range(1, modules + 1):
            factor = -3 if module < modules else -2
            models.append(
                encoded(
                    805,
                    {"StrIdx": string, "ModIdx": module, "NCell": cells, "CellV_SF": factor,
                     "Tmp_SF": -1},
                    [{"CellV": cell_mv(string, module, cell) // (1 if factor == -3 else 10),
                      "CellTmp": 200 + cell} for cell in range(cells)],
                )
            )  # fmt: skip
    return models


def cell_mv(string: int, module: int, cell: int) -> int:
    return 3000 + 300 * string + 40 * module + 10 * (cell % 4)
