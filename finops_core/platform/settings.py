"""Settings from the environment (``TIEOUT_…``) and ``.env``; documented in ``.env.example``."""

from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

# RFC 1918, 3927, 4193, 4291, 6598; not those kept for documentation, which Python calls private as well.
PRIVATE = (
    *("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"),
    *("::1/128", "fc00::/7", "fe80::/10"),
)
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Settings(BaseSettings):
    """Every setting of the desk. Times end in ``_s`` (seconds), sizes in ``_bytes``."""

    model_config = SettingsConfigDict(
        env_prefix="TIEOUT_",
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        # What was given may be a secret: an error tells which setting is wrong, never what stands in it.
        hide_input_in_errors=True,
    )

    data_dir: Path = Path("data/var")
    database_url: str = Field(default="", validation_alias="DATABASE_URL")
    owner_database_url: str = Field(default="", validation_alias="DATABASE_OWNER_URL")
    demo: bool = True
    demo_file: Path = Path("data/demo/company.json")
    https: bool = False
    public_url: str = ""
    trusted_proxies: str = ""
    master_key: SecretStr = SecretStr("")
    worker: Literal["child", "off"] = "child"
    worker_processes: int = 2
    worker_poll_s: float = 0.1
    job_lease_s: float = 15.0
    scheduler_lease_s: float = 15.0
    session_idle_s: int = 30 * 60
    session_absolute_s: int = 8 * 3600
    ticket_s: int = 60
    lockout_attempts: int = 5
    lockout_window_s: int = 15 * 60
    lockout_address_attempts: int = 50
    bcrypt_rounds: int = 12
    second_factor_roles: str = ""
    files_kept_days: Annotated[int, Field(ge=7 * 366)] = 10 * 366
    upload_max_bytes: int = 50 * 1024 * 1024
    rerun_window_s: int = 24 * 3600
    approval_expires_s: int = 24 * 3600
    plan_expires_s: int = 24 * 3600
    hold_back_s: Annotated[int, Field(ge=0, le=7 * 24 * 3600)] | None = None
    stripe_sandbox_url: str = "http://127.0.0.1:12111"
    provider_timeout_s: float = 30.0
    payout_lookup_margin_s: int = 3600
    payout_rate_per_s: Annotated[float, Field(gt=0)] = 5.0
    payout_refresh_s: int = 15 * 60
    payout_burst: Annotated[int, Field(ge=1)] = 10
    ledger_adjust_limit: Annotated[int, Field(ge=0, le=10**9)] = 1_000
    ledger_minor_drift: Annotated[int, Field(ge=0)] = 1
    ledger_withdraw_needs_kyc: bool = True
    details_cool_off_h: Annotated[int, Field(ge=0, le=30 * 24)] | None = None
    rates_url: str = ""
    release: Annotated[str, Field(max_length=60, pattern=r"^[\w.-]*$")] = ""
    rates_timeout_s: Annotated[float, Field(gt=0)] = 15.0
    audit_heads_dir: Path | None = None
    log_format: Literal["text", "json"] = "text"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    metrics_token: SecretStr = SecretStr("")
    api_rate_per_s: Annotated[float, Field(gt=0)] = 50.0
    api_burst: Annotated[int, Field(ge=1)] = 200
    mail_host: str = ""
    mail_port: Annotated[int, Field(ge=1, le=65535)] = 587
    mail_security: Literal["starttls", "tls", "none"] = "starttls"
    mail_user: str = ""
    mail_password: SecretStr = SecretStr("")
    mail_sender: str = ""
    mail_timeout_s: Annotated[float, Field(gt=0)] = 15.0
    forwarding_inside: str = ""
    forwarding_timeout_s: Annotated[float, Field(gt=0)] = 15.0

    @field_validator("public_url")
    @classmethod
    def _place(cls, typed: str) -> str:
        """Where the desk is reached from outside, without a slash at its end; "" when nobody has said."""
        url = typed.strip().rstrip("/")
        parts = urlsplit(url)
        strange = parts.username or parts.query or parts.fragment or "?" in url or "#" in url
        plain = url.isascii() and url.isprintable() and " " not in url
        if url and (parts.scheme not in {"http", "https"} or not parts.hostname or strange or not plain):
            raise ValueError("give the address people use for the desk, such as https://tieout.example.com")
        return url

    @field_validator("rates_url")
    @classmethod
    def _feed(cls, typed: str) -> str:
        """Where exchange rates are fetched from; "" when nobody has said."""
        parts = urlsplit(typed.strip())
        if typed.strip() and (parts.scheme not in {"http", "https"} or not parts.hostname or parts.username):
            raise ValueError("give the address of a file of rates, beginning with https://")
        return typed.strip()

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies(cls, typed: str) -> str:
        """Addresses and networks, apart by commas; never everybody: each could then say they are anybody."""
        named = [each.strip() for each in typed.split(",") if each.strip()]
        try:
            networks = [ip_network(each) for each in named]
        except ValueError:
            networks = [ip_network("0.0.0.0/0")]
        if any(network.prefixlen == 0 for network in networks):
            raise ValueError("name your proxies by address or network, such as 10.0.0.5 or 172.18.0.0/16")
        return ",".join(named)

    @model_validator(mode="after")
    def _what_is_held_back_can_still_start(self) -> Self:
        if self.held_back_s >= self.approval_expires_s:
            raise ValueError(
                "TIEOUT_HOLD_BACK_S must be shorter than TIEOUT_APPROVAL_EXPIRES_S, or every approval would be too old "
                "by the time its run may start."
            )
        return self

    @model_validator(mode="after")
    def _mail_can_be_sent(self) -> Self:
        if not self.mail_host:
            return self
        local, at, domain = self.mail_sender.rpartition("@")
        plain = self.mail_sender.isascii() and self.mail_sender.isprintable()
        if not (local and at and domain and plain) or set(self.mail_sender) & set(' <>,;:"\\()[]'):
            raise ValueError("TIEOUT_MAIL_SENDER must be the address the desk's mail comes from: tieout@example.com.")
        if self.mail_user and self.mail_security == "none" and self.mail_host not in LOOPBACK:
            raise ValueError("TIEOUT_MAIL_SECURITY=none would send the mail server's password in the clear.")
        return self

    @cached_property
    def url(self) -> str:
        """The application's database; SQLite under ``data_dir`` when none is set."""
        return self.database_url or f"sqlite:///{self.data_dir / 'tieout.sqlite'}"

    @cached_property
    def owner_url(self) -> str:
        """The database as its owner, for migrations only."""
        return self.owner_database_url or self.url

    @cached_property
    def proxy_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Where proxies stand: what is named, or else any address that is of no public network."""
        named = self.trusted_proxies.split(",") if self.trusted_proxies else PRIVATE
        return tuple(ip_network(each) for each in named)

    @property
    def held_back_s(self) -> int:
        """How long an approved run waits before it starts, so that it can be stopped: five minutes, 0 in the demo."""
        if self.hold_back_s is not None:
            return self.hold_back_s
        return 0 if self.demo else 5 * 60

    @property
    def cool_off_h(self) -> int:
        """How many hours approved bank details wait before they count: a day, 0 in the demo."""
        if self.details_cool_off_h is not None:
            return self.details_cool_off_h
        return 0 if self.demo else 24

    @property
    def demanding_roles(self) -> tuple[str, ...]:
        """The roles that may be used with a second factor only, by id."""
        return tuple(filter(None, (name.strip() for name in self.second_factor_roles.split(","))))

    @property
    def inside_hosts(self) -> frozenset[str]:
        """Hosts that notices may be forwarded to although they are no public ones, by http too, at any port."""
        return frozenset(filter(None, (name.strip().lower() for name in self.forwarding_inside.split(","))))

    @cached_property
    def heads_dir(self) -> Path:
        """Where the audit log's (size, root) is kept outside the database."""
        return self.audit_heads_dir or self.data_dir / "audit-heads"


def what_is_wrong(error: ValidationError) -> str:
    """Which settings are wrong and how, as sentences; nothing of what was given."""
    return " ".join(_told(each["loc"], each["msg"]) for each in error.errors(include_input=False, include_url=False))


def _told(place: tuple[int | str, ...], message: str) -> str:
    words = message.removeprefix("Value error, ").rstrip(".")
    # A rule between several settings stands nowhere, and names them itself.
    name = str(place[0]) if place else ""
    return f"{name if name.isupper() else f'TIEOUT_{name.upper()}'}: {words}." if name else f"{words}."
