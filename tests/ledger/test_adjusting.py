"""What one person adjusts alone, from two places at once."""

from concurrent.futures import ThreadPoolExecutor, wait

from finops_core.kernel.errors import FinOpsError
from finops_core.ledger import service
from finops_core.ledger.service import Terms
from finops_core.platform.work import Work
from tests.ledger.conftest import Books, usd


def test_the_limit_holds_for_one_person_in_two_places_at_once(books: Books):
    ann, bob = books.wallets["ann"], books.wallets["bob"]

    def adjust(work: Work, wallet_id: str, minor: int = 60_000) -> None:
        service.adjust(work, wallet_id, usd(minor), Terms(reason="a fee was charged twice"))

    def meanwhile() -> str:
        try:
            with books.work() as work:
                adjust(work, bob)
        except FinOpsError as error:
            return error.code
        return "booked"

    with books.work() as work:
        adjust(work, ann, 1)  # so that neither waits for an account to be made
    with ThreadPoolExecutor(1) as pool:
        with books.work() as work:
            adjust(work, ann)
            other = pool.submit(meanwhile)
            wait([other], timeout=0.5)
        assert other.result() == "ADJUSTMENT_OVER_LIMIT"

    assert (books.balance(ann), books.balance(bob)) == (60_001, 0)
