"""A worker process: serves people, stations and enrolment on sockets that all workers share."""

import asyncio
import logging
import signal
import socket
import ssl
from collections.abc import Collection, Mapping
from typing import Any, Final

import uvicorn
import uvloop
from uvicorn.protocols.http.h11_impl import H11Protocol

from cloud.app import Worker, create_edge_app, create_enrol_app, open_worker
from cloud.edge import PeerProtocol, mutual_context, server_context
from cloud.servers import ProxiedServer, Server, opening_address
from cloud.web.user_app import create_user_app
from cloud.workers import Task, read_task

_log = logging.getLogger(__name__)

_KEEP_ALIVE_S: Final = 75
"""Longer than the cadence of stations, or every batch pays a handshake."""
_DRAIN_S: Final = 8
_RENEW_EVERY_S: Final = 6 * 3_600.0


def _settings(
    app: Any,
    protocol: type[asyncio.Protocol],
    *,
    tls: ssl.SSLContext | None = None,
    proxies: Collection[str] = (),
) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan="auto",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_DRAIN_S,
        ssl_context_factory=None if tls is None else lambda _config, _default: tls,
    )


def _station_server(worker: Worker, app: Any, tls: ssl.SSLContext) -> Server:
    """A server for stations: TLS is ours, whether they come straight or through proxies."""
    proxies = worker.services.config.edge.trusted_proxies
    if not proxies:
        return Server(_settings(app, PeerProtocol, tls=tls))

    def refused(address: str, reason: str) -> None:
        worker.edge.book.note("proxy_refused", source=address, reason=reason)

    return ProxiedServer(_settings(app, PeerProtocol), tls, proxies, refused)


def _contexts(worker: Worker, task: Task) -> Mapping[str, ssl.SSLContext]:
    authority = worker.edge.authority
    files = authority.server_files(server_names(task))

    def refused(reason: str) -> None:
        worker.edge.book.note("handshake_refused", source=opening_address(), reason=reason)

    return {
        "edge": mutual_context(*files, authority.certificate_file, refused),
        "enrol": server_context(*files),
    }


def server_names(task: Task) -> tuple[str, ...]:
    """Names that the certificate of our listeners must carry."""
    return (*task.config.edge.names, task.config.edge.host, task.config.enrol.host)


async def _renew(worker: Worker, task: Task, contexts: Mapping[str, ssl.SSLContext]) -> None:
    """Load a renewed server certificate without a restart."""
    while True:
        await asyncio.sleep(_RENEW_EVERY_S)
        files = worker.edge.authority.server_files(server_names(task))
        for context in contexts.values():
            context.load_cert_chain(*files)


async def serve(task: Task) -> None:
    """Serve until SIGTERM; then finish what has begun and return."""
    async with open_worker(task.config, task.dsn) as worker:
        contexts = _contexts(worker, task)
        user_app = create_user_app(worker.services)
        proxies = task.config.web.trusted_proxies
        enrol_app = create_enrol_app(worker.services, worker.edge)
        servers = {
            "web": Server(_settings(user_app, H11Protocol, proxies=proxies)),
            "edge": _station_server(worker, create_edge_app(worker.edge), contexts["edge"]),
            "enrol": _station_server(worker, enrol_app, contexts["enrol"]),
        }

        def leave() -> None:
            worker.edge.news.close()
            for server in servers.values():
                server.should_exit = True

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, leave)
        renewing = asyncio.create_task(_renew(worker, task, contexts))
        await asyncio.gather(
            *(
                servers[name].serve([socket.socket(fileno=handle)])
                for name, handle in task.sockets.items()
            )
        )
        renewing.cancel()


def main() -> None:
    """Entry point of `python -m cloud.worker`."""
    task = read_task()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(task))


if __name__ == "__main__":
    main()
