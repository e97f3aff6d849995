async def test_the_document_describes_every_operation_in_words(cloud):
    async with cloud.client() as client:
        document = (await client.get("/api/openapi.json")).json()

    operations = {
        f"{method} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert "post /api/v1/stations/{station}/schedules" in operations
    assert "get /api/v1/series" in operations
    assert not [name for name, operation in operations.items() if not operation.get("description")]
    assert not [name for name in operations if "/fragments" in name or "/sign-in" in name]
    refused = operations["get /api/v1/stations/{station}"]["responses"]
    assert {"401", "403", "404", "503"} <= set(refused)
    assert document["info"]["title"] == "Stationmaster"


async def test_the_processes_say_that_they_live_and_are_ready(cloud):
    async with cloud.client() as client:
        assert (await client.get("/health/live")).text == "ok"
        assert (await client.get("/health/ready")).json() == {"ready": True}


async def test_without_database_the_cloud_lives_but_is_not_ready(cloud):
    await cloud.worker.services.pool.close()
    async with cloud.client() as client:
        assert (await client.get("/health/live")).status_code == 200
        assert (await client.get("/health/ready")).status_code == 503
        client.cookies.set("sm_session", "anything")
        answer = await client.get("/api/v1/stations")
        page = await client.get("/")

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert page.status_code == 503
    assert "The database does not answer" in page.text
