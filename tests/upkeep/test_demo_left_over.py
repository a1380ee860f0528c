"""Outside demo mode nobody signs in with a password that stands in the repository."""

from pathlib import Path

import pytest

from finops_core.kernel.errors import Conflict
from finops_core.start import prepare
from finops_core.upkeep.demo import DEMO_SLUGS
from tests.desks import settings_for
from tests.world import COMPANY, company


def test_a_desk_that_was_a_demo_does_not_start_outside_demo_mode(tmp_path: Path):
    # Given a folder in which the demo was tried
    prepare(settings_for(tmp_path, demo=True, demo_file=COMPANY)).close()
    # When it is started for real, then it refuses and says what to do
    with pytest.raises(Conflict) as refused:
        prepare(settings_for(tmp_path, demo=False))
    assert refused.value.code == "DEMO_LEFT_OVER"
    assert {facts["slug"] for facts in company()["organisations"]} == DEMO_SLUGS
