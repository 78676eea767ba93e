"""Reads metrics as Prometheus does."""

import socket
from collections.abc import Mapping

import httpx
from prometheus_client.parser import text_string_to_metric_families
from support.house import House

from service.app.metering import metered
from service.settings import MetricsSettings

Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


class Scraped:
    """The metrics of one scrape."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families = list(text_string_to_metric_families(text))
        self._samples: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        for family in self.families:
            for sample in family.samples:
                key = (sample.name, frozenset(sample.labels.items()))
                assert key not in self._samples, f"{sample.name} is there twice"
                self._samples[key] = sample.value

    def __call__(self, metric: str, **labels: str) -> float:
        """Return the value of one series. `metric` is the name without the prefix."""
        return self._samples[f"rootquorum_{metric}", frozenset(labels.items())]

    def series(self, metric: str) -> dict[frozenset[tuple[str, str]], float]:
        """Return all series of a metric by their labels."""
        return {labels: value for (name, labels), value in self._samples.items() if name == f"rootquorum_{metric}"}


def scrape(house: House, **settings: object) -> Scraped:
    """Return what the house's service exposes now, without the counters of a process."""
    with metered(house.ctx, MetricsSettings(**settings), None) as metrics:  # type: ignore[arg-type]  # named settings
        return Scraped(metrics.render().decode())


def listening_at() -> tuple[socket.socket, str]:
    """Return a socket for metrics, and the address to scrape."""
    listener = socket.create_server(("127.0.0.1", 0))
    return listener, f"http://127.0.0.1:{listener.getsockname()[1]}/metrics"


def fetch(address: str) -> Scraped:
    answer = httpx.get(address)
    assert answer.status_code == 200, answer.text
    return Scraped(answer.text)
