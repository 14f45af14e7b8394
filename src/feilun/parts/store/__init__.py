"""The database (versions, champion, feedback, audit, keys) and the prediction log."""

from feilun.parts.store.database import StorageFull as StorageFull
from feilun.parts.store.predictions import Limits as Limits
from feilun.parts.store.predictions import PredictionLog as PredictionLog
from feilun.parts.store.predictions import Reading as Reading
from feilun.parts.store.store import Store as Store
