"""Every table of the desk. Importing this module fills the metadata that migrations and guards read."""

import finops_core.approvals.models
import finops_core.audit.models
import finops_core.connections.models
import finops_core.files.models
import finops_core.ledger.models
import finops_core.ledger.records
import finops_core.notifications.models
import finops_core.operations.models
import finops_core.parties.models
import finops_core.payouts.models
import finops_core.platform.queue
import finops_core.platform.repeats
import finops_core.reference.models
import finops_core.security.models
import finops_core.upkeep.models  # noqa: F401
from finops_core.platform.tables import METADATA

TABLES = METADATA
