"""All settings, from the environment (prefix MASKSCOPE_) or the command line. Frozen; every number is bounded."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, HttpUrl, IPvAnyNetwork, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from model.errors import OutOfRange

ROOT = Path(__file__).resolve().parent.parent
TOKEN_CHARACTERS = (16, 128)
"""Of a teacher's token, at least and at most."""


def _check_token(token: SecretStr) -> SecretStr:
    """Raises OutOfRange, which pydantic puts into its own error."""
    shortest, longest = TOKEN_CHARACTERS
    if not shortest <= len(token) <= longest:
        raise OutOfRange(f"a teacher's token has {shortest} to {longest} characters, this one has {len(token)}")
    return token


class Settings(BaseSettings):
    """Seconds, bytes and counts are in the names."""

    model_config = SettingsConfigDict(env_prefix="MASKSCOPE_", frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    allowed_hosts: tuple[str, ...] = ()
    """Names this server may be called by, besides localhost and any IP address (JSON list)."""
    trained_folder: Path = ROOT / "model" / "trained"

    workers: Annotated[int, Field(ge=1, le=64)] = 1
    """Server processes on one port; one of them keeps races and votes, and is reached through any."""
    keeper_address: HttpUrl | None = None
    """Of the machine that keeps races and votes for several behind one balancer; none: this one does."""
    shares_port: bool = False
    keeper_folder: Path | None = None
    """These two are set by `--workers` for its processes: whether others listen there too, where the keeper is."""

    max_connections: Annotated[int, Field(ge=1, le=100_000)] = 2048
    """Connections at once, if there are descriptors for so many. Beyond, idle ones give way."""
    max_connections_per_address: Annotated[int, Field(ge=1, le=100_000)] = 1536
    """The same for one address (IPv6: for a /64), since a class may share one."""
    header_timeout_seconds: Annotated[float, Field(gt=0, le=300)] = 10.0
    """From the first moment of a connection, or the first byte of a later request, to the end of its headers."""
    header_limit_bytes: Annotated[int, Field(ge=4096, le=1_000_000)] = 65_536
    idle_timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 15.0
    """How long a connection is kept for a next request."""
    send_timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """How long a reader may take for an answer, or for 64 KB of a stream."""
    close_timeout_seconds: Annotated[float, Field(gt=0, le=300)] = 10.0
    """How long a connection that ends may take: to read the last answer, and to stop sending what was refused."""

    queue_size: Annotated[int, Field(ge=1, le=10_000)] = 1024
    """Model calls and generations waiting or running at once; one more is answered 503."""
    queue_timeout_seconds: Annotated[float, Field(gt=0, le=300)] = 30.0
    """How long a model call may take in all before it is answered 503."""
    max_requests: Annotated[int, Field(ge=1, le=10_000)] = 1024
    """Requests in flight at once; one more is answered 503."""
    max_requests_per_client: Annotated[int, Field(ge=1, le=10_000)] = 512
    """The same for one address (IPv6: for a /64), answered 429; never more than it leaves free for others. High, since
    a class may share one address."""
    max_worked_on: Annotated[int, Field(ge=1, le=10_000)] = 24
    """Calls of the API that each process works on at once, until their answers begin; the others wait, and addresses
    take turns. Pages and inspections are not counted."""
    trusted_proxies: tuple[IPvAnyNetwork, ...] = ()
    """Addresses or networks (JSON list) whose X-Forwarded-For and X-Forwarded-Proto are believed."""
    max_followers: Annotated[int, Field(ge=1, le=10_000)] = 800
    """Followers of races at once, besides the requests. Beyond, one of the address that has most is let go."""
    max_followers_per_address: Annotated[int, Field(ge=1, le=10_000)] = 600
    """The same for one address; one more is answered 503."""
    kept_answers_bytes: Annotated[int, Field(ge=0, le=10_000_000_000)] = 64_000_000
    """Room for answers that are kept to be given again; 0 keeps none."""
    body_limit_bytes: Annotated[int, Field(ge=1024, le=10_000_000)] = 65_536
    body_timeout_seconds: Annotated[float, Field(gt=0, le=300)] = 10.0
    stream_timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """The longest an answer's stream may last; a race's lasts as long as it."""
    shutdown_timeout_seconds: Annotated[int, Field(ge=1, le=300)] = 5
    """Streams get their last event at once, and this long to send it; then they are cut off."""

    @property
    def last_event_seconds(self) -> float:
        """For streams to end by themselves, before the server cuts them off."""
        return self.shutdown_timeout_seconds / 2

    tokenizers_folder: Path | None = None
    """A folder of tokenizer folders that `/inspect` offers by name, besides ours."""
    inspection_processes: Annotated[int, Field(ge=1, le=64)] = 2
    """Inspections that run at once, each in a process with limits; the others queue."""
    inspection_queue_size: Annotated[int, Field(ge=1, le=1000)] = 32
    """Inspections waiting or running; one more is answered 503, and of one address one more than it leaves free."""
    inspection_body_limit_bytes: Annotated[int, Field(ge=1024, le=64_000_000)] = 16_000_000
    """Of what is pasted or dropped for an inspection, a tokenizer.json of 150,000 tokens too; as many such bodies are
    in flight as inspections. Other bodies have `body_limit_bytes`."""

    race_slots: Annotated[int, Field(ge=1, le=64)] = 1
    """Races that run at once, each with a process of one thread per policy; the others queue."""
    race_queue_size: Annotated[int, Field(ge=1, le=1000)] = 16
    """Races waiting; one more is answered 503, and of one address one more than it leaves free."""
    race_timeout_seconds: Annotated[float, Field(gt=0, le=86_400)] = 600.0
    """The longest a race may last, its pauses included."""
    race_grace_seconds: Annotated[float, Field(gt=0, le=86_400)] = 60.0
    """A race that nobody follows or asks for ends after so long."""
    race_max_cost: Annotated[float, Field(gt=0, le=1e15)] = 2e12
    """Parameters x tokens x steps, over all policies; a costlier race is refused. `reverse` as it is costs 8.8e11."""
    teacher_token: Annotated[SecretStr, AfterValidator(_check_token)] | None = None
    """Whoever gives it as a race's owner may stop and command every race; without it only who started one may."""
    max_races: Annotated[int, Field(ge=1, le=10_000)] = 50
    """Races kept to be read, up to 10 MB each; of more, the oldest that has ended is forgotten."""

    race_ready_seconds: Annotated[float, Field(ge=0, le=86_400)] = 600.0
    """A visit to a race's form starts the process that workers are forked from, which imports what they need. It ends
    once no race has needed it for so long. 0: only a race starts it."""

    max_votes: Annotated[int, Field(ge=1, le=10_000)] = 200
    """Votes kept; of more, the oldest that is closed is forgotten. So many open ones, and a new one is answered 503."""
    max_votes_per_client: Annotated[int, Field(ge=1, le=10_000)] = 20
    """Votes of one address that are open at once."""
    max_voters: Annotated[int, Field(ge=1, le=100_000)] = 2000
    """Answers to one vote."""
    max_voters_per_client: Annotated[int, Field(ge=1, le=100_000)] = 500
    """The same from one address, which a class may share."""
    vote_lifetime_seconds: Annotated[float, Field(gt=0, le=604_800)] = 4 * 3600.0
    """A vote is forgotten so long after it was opened."""
