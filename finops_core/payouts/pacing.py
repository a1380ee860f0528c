"""How fast payouts are sent: a token bucket per account, slowed down when the provider asks for it (decision 15)."""

from dataclasses import dataclass, field

from finops_core.kernel.clock import Clock

SLOWEST_PER_S = 0.2
RECOVERY = 1.05


@dataclass
class Bucket:
    """Lets ``burst`` payouts through at once, then ``rate_per_s``. A refusal halves the rate; success wins it back.

    Attributes:
        rate_per_s: the rate now; never above ``most_per_s``, never below one in five seconds.
    """

    most_per_s: float
    burst: int
    clock: Clock
    rate_per_s: float = field(init=False)

    def __post_init__(self) -> None:
        self.rate_per_s = self.most_per_s
        self._tokens: float = self.burst
        self._filled_at = self.clock.monotonic()

    def due_in_s(self) -> float:
        """Seconds until the next payout may go; 0 when it may go now. Does not take the token."""
        self._fill()
        return max(0.0, (1 - self._tokens) / self.rate_per_s)

    def take(self) -> None:
        """A payout goes out."""
        self._fill()
        self._tokens -= 1

    def slow_down(self) -> None:
        """The provider said "too many": half as fast from here on, and nothing saved up."""
        self._fill()
        self.rate_per_s = max(self.rate_per_s / 2, SLOWEST_PER_S)
        self._tokens = min(self._tokens, 0.0)

    def speed_up(self) -> None:
        """It was let through: a little faster, up to the agreed rate."""
        self.rate_per_s = min(self.rate_per_s * RECOVERY, self.most_per_s)

    def _fill(self) -> None:
        now = self.clock.monotonic()
        self._tokens = min(self.burst, self._tokens + (now - self._filled_at) * self.rate_per_s)
        self._filled_at = now


@dataclass
class Pacing:
    """One bucket per account."""

    most_per_s: float
    burst: int
    clock: Clock
    buckets: dict[str, Bucket] = field(default_factory=dict)

    def of(self, account: str) -> Bucket:
        """The account's bucket."""
        if account not in self.buckets:
            self.buckets[account] = Bucket(self.most_per_s, self.burst, self.clock)
        return self.buckets[account]
