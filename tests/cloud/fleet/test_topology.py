from cloud.fleet import from_devices

DEVICES = [
    ("STATION", "station"),
    ("METER", "meter"),
    ("FIRE", "fire"),
    *(
        (f"C{c}-R{r:02d}", layout)
        for c in (2, 1)
        for r in (2, 1)
        for layout in ("rack", "rack.cells/416")
    ),
    *((f"C{c}-PCS", "pcs") for c in (1, 2)),
    ("C1-CHL", "chiller"),
    ("C2-IMD", "insulation"),
]


def test_a_station_is_read_from_what_it_sends():
    found = from_devices(DEVICES)

    assert (found.controller, found.meter, found.fire) == ("STATION", "METER", "FIRE")
    assert [c.id for c in found.containers] == ["C1", "C2"]
    assert found.containers[0].racks == ("C1-R01", "C1-R02")
    assert (found.containers[0].pcs, found.containers[0].chiller) == ("C1-PCS", "C1-CHL")
    assert (found.containers[0].insulation, found.containers[1].insulation) == (None, "C2-IMD")
    assert found.cell_count("C2-R01") == 416
    assert found.container_of("C2-R02") is found.containers[1]


def test_a_station_that_has_sent_nothing_is_empty():
    found = from_devices([])

    assert found.containers == found.racks == ()
    assert found.container_of("C1-R01") is None
    assert found.cell_count("C1-R01") is None


def test_containers_and_racks_are_in_the_order_in_which_people_count():
    numbers = (10, 2, 1, 40)
    found = from_devices((f"C{c}-R{r}", "rack") for c in numbers for r in numbers)

    assert [c.id for c in found.containers] == ["C1", "C2", "C10", "C40"]
    assert found.containers[2].racks == ("C10-R1", "C10-R2", "C10-R10", "C10-R40")
