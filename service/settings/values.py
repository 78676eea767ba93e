"""Kinds of values that several tables of the settings have, and the checks of each."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from service.domain.actor import SUBJECT_PATTERN
from service.domain.mailbox import is_mailbox
from service.settings.checks import check_path, wrong

AccountId = Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")]


# An organization's root, or one of its organizational units (AWS Organizations API reference).
UnitId = Annotated[str, StringConstraints(pattern=r"^(r-[0-9a-z]{4,32}|ou-[0-9a-z]{4,32}-[0-9a-z]{8,32})$")]


# Lower case only, because two spellings of one name would be two people.
SubjectId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._@-]{0,63}$")]


# People are named exactly as their provider spells them, so that nobody is mistaken for another.
PersonId = Annotated[str, StringConstraints(pattern=rf"^{SUBJECT_PATTERN}$")]


DestinationName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._@-]{0,39}$")]


Host = Annotated[str, StringConstraints(pattern=r"^[a-z0-9:]([a-z0-9.:-]{0,251}[a-z0-9:])?$")]


File = Annotated[Path, AfterValidator(check_path)]


Repository = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$")]


Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]


Window = Annotated[timedelta, Field(ge=timedelta(seconds=1), le=timedelta(days=366))]


DrillPeriod = Annotated[timedelta, Field(ge=timedelta(days=1), le=timedelta(days=3660))]


Lifetime = Annotated[timedelta, Field(ge=timedelta(minutes=5), le=timedelta(days=3660))]


class Section(BaseModel):
    # Built with the tables around it, or when it is made.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


Region = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$")]


Profile = Annotated[str, StringConstraints(min_length=1)]


def _check_mailbox(address: str) -> str:
    if not is_mailbox(address):
        raise wrong("it has to be a mail address in ASCII, without a name")
    return address


MailAddress = Annotated[str, AfterValidator(_check_mailbox)]
