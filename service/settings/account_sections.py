"""The tables of the settings about accounts and where their root credentials come from."""

from datetime import timedelta

from pydantic import Field

from service.domain.account import Partition
from service.settings.values import AccountId, Name, Profile, Region, Section, Window


class AwsSettings(Section):
    """AWS. `simulated` replaces AWS by a simulation, for trying things out."""

    simulated: bool = Field(
        default=False,
        description=(
            "Run a simulated AWS inside the process, for trials. Every configured account is then "
            "simulated, with a root access key that the service holds. A `profile`, a second "
            "organization, or a partition other than `aws` is an error. The simulation is lost when "
            "the process ends, and every process has its own. After a restart the same accounts have "
            "other keys, which appears as drift; `rootquorum drift` refuses. Requires the extra "
            "`demo`."
        ),
    )
    simulated_port: int = Field(
        default=0, ge=0, le=65535, description="The port of the simulated AWS on loopback; 0 takes a free one."
    )


class OrganizationSettings(Section):
    """An organization. `profile` is a boto3 profile in the management account, or in the delegated admin's for IAM.

    With `list_accounts`, its accounts are served without being named: those in `allow`, or all if that is empty, but
    never those in `deny`. `read_units` and `read_tags` concern all accounts that it reaches. So does
    `unlock_resources`, which lets requests delete the policies of buckets and queues.
    """

    profile: Profile | None = Field(
        default=None,
        json_schema_extra={"default": "none; required unless `aws.simulated`"},
        description=(
            "The boto3 profile that may call `sts:AssumeRoot`: a role or a user, not root, in the "
            "management account or in the delegated administrator account for IAM. Guard it like a "
            "root key of every member account: "
            "[what its holder can do](security-model.md#the-organizations-profile)."
        ),
    )
    region: Region = Field(
        default="us-east-1",
        title="AWS region",
        description="The STS endpoint for AssumeRoot, which the global endpoint does not offer.",
    )
    list_accounts: bool = Field(
        default=False,
        description=(
            "Ask AWS Organizations for the accounts, and serve them without naming them in "
            "`accounts`. One that is named there keeps its name and its profile, and is reached by "
            'AssumeRoot as well. `false`: only the accounts with `organization = "<name>"`.'
        ),
    )
    allow: frozenset[AccountId] = Field(
        default=frozenset(),
        title="list of account ids",
        description=("Serve only these of the listed accounts; if empty, all. An error without `list_accounts`."),
    )
    deny: frozenset[AccountId] = Field(
        default=frozenset(),
        title="list of account ids",
        description=(
            "Never serve these of the listed accounts, whatever `allow` says. An error without "
            '`list_accounts`, and for an account with `organization = "<name>"`. It binds this '
            "service, not its profile."
        ),
    )
    read_units: bool = Field(
        default=False,
        description=(
            "Read which organizational units are above each account. It takes more rights: [real "
            "accounts](real-accounts.md#with-an-organization). What cannot be read is not known; see "
            "[operations](operations.md#organizational-units-and-tags)."
        ),
    )
    read_tags: bool = Field(
        default=False,
        description=(
            "Read the tags of each account, with one call to AWS per account. It takes one more "
            "right. What cannot be read is not known."
        ),
    )
    unlock_resources: bool = Field(
        default=False,
        description=(
            "Let requests delete the policies of [locked buckets and queues](unlocks.md) in the "
            "accounts that the organization reaches. It takes a feature of AWS and more rights."
        ),
    )
    refresh: Window = Field(
        default=timedelta(minutes=15),
        description=(
            "How old the list, the units and the tags may be. While AWS does not respond, the last "
            "list stays valid, however old, but units and tags do not; see "
            "[operations](operations.md#an-organizations-accounts)."
        ),
    )


class AccountSettings(Section):
    """An account. `profile` is the boto3 profile with its root credential. `organization` is the table of the
    organization that reaches it by sts:AssumeRoot.
    """

    name: Name = Field(description="The account's name, shown to approvers beside the id.")
    partition: Partition = Field(
        default=Partition.AWS,
        description=(
            "The AWS partition. `aws-cn` has no root user: such an account is listed, but everything "
            "on it is refused, and `rootquorum doctor` reports it."
        ),
    )
    profile: Profile | None = Field(
        default=None,
        json_schema_extra={"default": "none; this or `organization` is required, unless `aws.simulated`"},
        description=(
            "The boto3 profile that yields a root access key of this account: keys in the credentials "
            "file, `credential_process`, and so on. It is read for every use, so a rotated key needs "
            "no restart. A program may take 30 seconds. Variables such as `AWS_ACCESS_KEY_ID` do not "
            "replace it."
        ),
    )
    organization: str | None = Field(
        default=None,
        title="name of a table in `organizations`",
        description=(
            "The organization of which this is a member account, to reach it by `sts:AssumeRoot`. Not "
            "needed for an account that the organization lists."
        ),
    )
