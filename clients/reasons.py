"""Why a request was refused, for programs: what `RequestRefused.reason` is compared with."""

from protocol.reasons import Reason as Reason
