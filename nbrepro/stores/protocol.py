"""Speak the three protocols of a SPARQL 1.1 server: query, update and graph store.

https://www.w3.org/TR/sparql11-protocol/, https://www.w3.org/TR/sparql11-http-rdf-update/
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, TypeVar, cast
from urllib.parse import parse_qs, urlsplit, urlunsplit

import httpx

from nbrepro.errors import NbreproError, QueryError, StoreError
from nbrepro.stores.credentials import Credentials, check_no_credentials

T = TypeVar("T")

RESULTS = "application/sparql-results+json"
TRIPLES = "application/n-triples"

_SCHEME = "sparql+"
_UPDATE = "application/sparql-update"
_PAUSES_S = (0.1, 0.5, 1.5, 3.0, 6.0)
_PASSING = frozenset({502, 503, 504})
_CONNECT_S, _ANSWER_S = 10.0, 600.0
# Where servers keep the three, below the URL of a dataset (Oxigraph, Fuseki, RDF4J, Virtuoso).
_QUERY = ("/query", "/sparql", "")
_STORES = ("/store", "/data", "/rdf-graphs/service", "-graph-crud-auth")
_UPDATES = ("/update", "/statements", "")
_WORK = {
    "query": "answers SPARQL queries",
    "update": "takes SPARQL updates",
    "store": "keeps graphs (the graph store protocol)",
}


class LostError(NbreproError):
    """The connection was lost, or the server is away for a moment: worth another try."""


class Server:
    """The endpoints of one dataset; which they are is found out when they are needed.

    `sparql+http://host/dataset`; `?query=...&update=...&store=...` name endpoints that are not
    where a server of a known kind has them, as paths or URLs.
    """

    def __init__(
        self,
        location: str,
        credentials: Credentials | None = None,
        pauses_s: Sequence[float] = _PAUSES_S,
    ) -> None:
        check_no_credentials(location)
        self.location = location
        self._credentials = credentials
        self._pauses_s = pauses_s
        parts = urlsplit(location.removeprefix(_SCHEME))
        self._base = urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))
        self._named = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        unknown = set(self._named) - {"query", "update", "store"}
        if unknown or not parts.netloc:
            raise StoreError(
                f"{location}: is not the URL of a SPARQL server; write sparql+http://HOST/DATASET, "
                "with ?query=, ?update= and ?store= where it keeps these elsewhere"
            )
        self._found: dict[str, str] = {}
        self._opened: httpx.Client | None = None
        self._met = False

    def close(self) -> None:
        """Close the connections."""
        if self._opened:
            self._opened.close()
            self._opened = None

    def query(
        self,
        text: str,
        accept: str,
        read: Callable[[Answer], T],
        default: Sequence[str] = (),
        named: Sequence[str] = (),
        timeout_s: float | None = None,
    ) -> T:
        """Send a query over the named graphs, and give what `read` makes of its answer.

        Raises QueryError where the server does not understand it or needs more than `timeout_s`.
        """
        form: dict[str, str | list[str]] = {"query": text}
        form |= {"default-graph-uri": list(default), "named-graph-uri": list(named)}
        url = self._endpoint("query", _QUERY, self._answers)
        until = time.monotonic() + timeout_s if timeout_s is not None else None

        def ask() -> T:
            with self._send("POST", url, until, data=form, headers={"Accept": accept}) as response:
                self._check(response, asking=True)
                self._check_kind(response, accept)
                answer = Answer(response, until)
                try:
                    return read(answer)
                except Exception:
                    if answer.failure:
                        raise answer.failure from None
                    raise

        try:
            return self._insist(ask)
        except _TooLongError:
            raise QueryError(
                f"the query took longer than {timeout_s:g} s and was ended; narrow it, for example "
                "with LIMIT, or allow more time"
            ) from None

    def update(self, text: str) -> None:
        """Send an update; it must be one that may be done twice."""
        url = self._endpoint("update", _UPDATES, self._takes_updates)
        self._insist(lambda: self._post(url, text.encode(), _UPDATE))

    def add(self, graph: str, triples: bytes) -> None:
        """Add N-Triples to a graph."""
        url = self._endpoint("store", _STORES, self._keeps_graphs)
        target = str(httpx.URL(url).copy_merge_params({"graph": graph}))
        self._insist(lambda: self._post(target, triples, TRIPLES))

    def _post(self, url: str, content: bytes, kind: str) -> None:
        with self._send("POST", url, content=content, headers={"Content-Type": kind}) as response:
            self._check(response)

    def _insist(self, act: Callable[[], T]) -> T:
        """Act, again after each pause where the connection was lost."""
        # A server that was never met is more likely misspelt than away.
        for pause_s in self._pauses_s if self._met else self._pauses_s[:2]:
            try:
                return act()
            except LostError:
                time.sleep(pause_s)
        try:
            return act()
        except LostError as error:
            raise StoreError(str(error)) from None

    def _endpoint(self, name: str, paths: Sequence[str], fits: Callable[[str], bool]) -> str:
        if name not in self._found:
            given = self._named.get(name)
            if given is not None:
                self._found[name] = given if "://" in given else f"{self._base}/{given.lstrip('/')}"
            else:
                self._found[name] = self._discover(name, paths, fits)
        return self._found[name]

    def _discover(self, name: str, paths: Sequence[str], fits: Callable[[str], bool]) -> str:
        bases = [self._base]
        head, _, last = self._base.rpartition("/")
        if f"/{last}" in _QUERY:
            # The URL of the query endpoint itself: the others are beside it.
            bases = [self._base, head] if name == "query" else [head, self._base]
        for url in (base + path for base in bases for path in paths):
            if self._insist(lambda url=url: fits(url)):  # type: ignore[misc]
                return url
        raise StoreError(
            f"{self.location}: nothing there {_WORK[name]}; check the address, or name the "
            f"endpoint with ?{name}=PATH"
        )

    def _answers(self, url: str) -> bool:
        form = {"query": "ASK {}"}
        with self._send("POST", url, data=form, headers={"Accept": RESULTS}) as response:
            self._check_entry(response)
            return response.status_code == httpx.codes.OK and _kind(response) in _RESULT_KINDS

    def _takes_updates(self, url: str) -> bool:
        headers = {"Content-Type": _UPDATE}
        with self._send("POST", url, content=b"INSERT DATA {}", headers=headers) as response:
            self._check_entry(response)
            return response.is_success

    def _keeps_graphs(self, url: str) -> bool:
        with self._send("HEAD", f"{url}?default", headers={"Accept": TRIPLES}) as response:
            self._check_entry(response)
            return response.is_success and _kind(response) != "text/html"

    @contextmanager
    def _send(
        self, method: str, url: str, until: float | None = None, **what: object
    ) -> Iterator[httpx.Response]:
        left = _ANSWER_S if until is None else until - time.monotonic()
        if left <= 0:
            raise _TooLongError
        times = httpx.Timeout(left, connect=min(left, _CONNECT_S))
        try:
            with self._client.stream(method, url, timeout=times, **what) as response:  # type: ignore[arg-type]
                self._met = True
                yield response
        except httpx.ReadTimeout:
            if until is not None:
                raise _TooLongError from None
            raise StoreError(
                f"{self.location}: no answer within {left:g} s; see how the server is, then again"
            ) from None
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise self._unreachable(error) from None

    def _unreachable(self, error: Exception) -> NbreproError:
        reason = str(error) or type(error).__name__
        sentence = (
            f"{self.location}: the server cannot be reached ({reason}); start it, or check the "
            "address"
        )
        lasting = (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.LocalProtocolError)
        return StoreError(sentence) if isinstance(error, lasting) else LostError(sentence)

    @property
    def _client(self) -> httpx.Client:
        if self._opened is None:
            auth = None
            if self._credentials:
                auth = httpx.BasicAuth(self._credentials.user, self._credentials.password)
            self._opened = httpx.Client(auth=auth)
        return self._opened

    def _check(self, response: httpx.Response, asking: bool = False) -> None:
        """Raise what a refusal means."""
        if response.is_success:
            return
        self._check_entry(response)
        status, reason = response.status_code, _first_line(response)
        if asking and status in (400, 422):
            raise QueryError(f"the query is not SPARQL: {reason}")
        if status in _PASSING:
            raise LostError(f"{self.location}: the server is not ready ({reason}); try again later")
        raise StoreError(
            f"{self.location}: the server refused ({status}: {reason}); see its log, then again"
        )

    def _check_entry(self, response: httpx.Response) -> None:
        if response.status_code not in (401, 403):
            return
        if self._credentials is None:
            raise StoreError(
                f"{self.location}: the server wants a user and a password; give them in "
                "NBREPRO_STORE_USER and NBREPRO_STORE_PASSWORD"
            )
        raise StoreError(
            f"{self.location}: the server refuses the user or password it was given; check "
            "NBREPRO_STORE_USER and NBREPRO_STORE_PASSWORD"
        )

    def _check_kind(self, response: httpx.Response, accept: str) -> None:
        kind = _kind(response)
        if kind != accept and not (accept == RESULTS and kind in _RESULT_KINDS):
            raise StoreError(
                f"{self.location}: answers with {kind or 'something unnamed'} where {accept} was "
                "asked for; check that the address is that of a SPARQL endpoint"
            )


_RESULT_KINDS = frozenset({RESULTS, "application/json"})


class _TooLongError(Exception):
    pass


class Answer:
    """An answer as it arrives: a binary file to read, whose failure is kept in `failure`."""

    def __init__(self, response: httpx.Response, until: float | None) -> None:
        self._chunks = response.iter_bytes()
        self._rest = b""
        self._until = until
        self.failure: Exception | None = None

    @property
    def file(self) -> IO[bytes]:
        """Give it as what parsers read from."""
        return cast("IO[bytes]", self)

    def read(self, size: int = -1) -> bytes:
        """Read at most `size` bytes, or all; none at the end."""
        try:
            while size < 0 or not self._rest:
                if self._until is not None and time.monotonic() > self._until:
                    raise _TooLongError
                chunk = next(self._chunks, None)
                if chunk is None:
                    break
                self._rest += chunk
        except (httpx.HTTPError, _TooLongError) as error:
            self.failure = error
            raise OSError(str(error)) from error
        size = len(self._rest) if size < 0 else size
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken


def _kind(response: httpx.Response) -> str:
    kind: str = response.headers.get("content-type", "")
    return kind.partition(";")[0].strip().lower()


def _first_line(response: httpx.Response) -> str:
    text = response.read()[:2000].decode("utf-8", "replace").strip()
    return text.partition("\n")[0].strip() or response.reason_phrase
