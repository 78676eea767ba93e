"""The checks that a token or its owner can fail. Only the log and operators see these, never the caller."""

from enum import StrEnum


class TokenCheck(StrEnum):
    """The checks of a token, in the order in which they run."""

    # any token
    OPAQUE = "opaque"
    SIZE = "size"
    MALFORMED = "malformed"
    # a provider's token
    ISSUER = "issuer"
    ALGORITHM = "algorithm"
    CRITICAL = "critical"
    TYPE = "type"
    KEY_ID = "key_id"
    TIMES = "times"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    UNKNOWN_KEY = "unknown_key"
    KEY = "key"
    SIGNATURE = "signature"
    AUDIENCE = "audience"
    SUBJECT = "subject"
    # an API token
    UNKNOWN = "unknown"
    REVOKED = "revoked"
    OWNER = "owner"


class RoleCheck(StrEnum):
    """Why somebody whom a provider has authenticated has no role here. The caller sees only the `detail`."""

    MACHINE = "machine"
    PERSON_ABSENT = "person_absent"
    PERSON_ELSEWHERE = "person_elsewhere"
    PERSON_UNREADABLE = "person_unreadable"
    PERSON_UNVERIFIED = "person_unverified"
    NAME = "name"
    SPELLING = "spelling"
    GROUPS_ABSENT = "groups_absent"
    GROUPS_ELSEWHERE = "groups_elsewhere"
    GROUPS_UNREADABLE = "groups_unreadable"
    NO_GRANTS = "no_grants"
    NO_GROUP = "no_group"
