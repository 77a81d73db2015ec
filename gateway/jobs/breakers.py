"""Every account's state and every model's breaker, and how they end together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from gateway.domain.errors import GatewayError, PlatformUnavailable
from gateway.jobs.breaker import Account, Breaker, Standing, State
from gateway.jobs.settings import BreakerSettings


class Breakers:
    """
    Every breaker, made when it is first asked for.

    Args:
        watch: told of each new one, by account and model.
        opened: told when one opens, by account and model.
        shut: told when a whole account is shut.
    """

    def __init__(
        self,
        settings: BreakerSettings,
        now: Callable[[], float],
        *,
        watch: Callable[[str, str, Breaker], None] = lambda _account, _model, _breaker: None,
        opened: Callable[[str, str], None] = lambda _account, _model: None,
        shut: Callable[[str], None] = lambda _account: None,
    ) -> None:
        self._settings, self._now = settings, now
        self._watch, self._opened, self._shut = watch, opened, shut
        self._breakers: dict[tuple[str, str], Breaker] = {}
        self._accounts: dict[str, Account] = {}

    def of(self, account: str, model: str = "") -> Breaker:
        """The breaker of a job platform's model, or that of a relay, which has no `model`."""
        if (found := self._breakers.get((account, model))) is None:
            found = self._breakers[account, model] = Breaker(
                self.account(account),
                lambda: self._settings,
                self._now,
                model=model,
                opened=partial(self._opened, account, model),
            )
            self._watch(account, model, found)
        return found

    def account(self, name: str) -> Account:
        return self._accounts.setdefault(name, Account(name))

    def configure(self, settings: BreakerSettings) -> None:
        """From now on; a breaker that is open stays so for the time it was opened for."""
        self._settings = settings

    def shut(self, name: str, cause: type[GatewayError], why: str) -> None:
        """Nothing of the account is served until `good`; everybody hears the reason."""
        account = self.account(name)
        changed, account.cause, account.why = account.cause is not cause, cause, why
        if changed:
            self._shut(name)

    def good(self, name: str) -> None:
        """The account has answered that it is well: what kept it or its models away because of it has ended."""
        account = self.account(name)
        ended, account.cause = account.cause, None
        for (of, _), breaker in self._breakers.items():
            if of == name and breaker.standing.state is not State.CLOSED:
                if ended is not None and breaker.cause is ended is not PlatformUnavailable:
                    breaker.reset()
                elif ended is not None:
                    breaker.ease()

    def states(self) -> Mapping[tuple[str, str], Standing]:
        """By account and model; also for another thread."""
        return {pair: breaker.standing for pair, breaker in tuple(self._breakers.items())}

    def told(self) -> Mapping[str, str]:
        """The same in plain words, by account: what is not as it should be, or `closed`; also for another thread."""
        accounts = tuple(self._accounts.items())
        found: dict[str, list[str]] = {name: [] for name, _ in accounts}
        for name, account in accounts:
            if account.cause is not None:
                found[name].append(f"shut: {account.why}")
        for (name, model), standing in self.states().items():
            if standing.state is not State.CLOSED or standing.faults:
                found.setdefault(name, []).append(f"{model}: {standing}" if model else str(standing))
        return {name: "; ".join(words) or str(State.CLOSED.name.lower()) for name, words in found.items()}
