"""Who may do what on Kafka: read from the one file that states it, given to a cluster, compared with what a cluster has."""

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from keepintouch.runtime.errors import UserError
from keepintouch.runtime.kafka import KafkaSettings, admin, check_broker
from keepintouch.runtime.places import deploy_file
from keepintouch.runtime.topics import DEFAULT_APP_ID
from keepintouch.yaml_file import YamlError, read_yaml

if TYPE_CHECKING:
    from kafka.admin import ACL

SCRAM_ITERATIONS = 8192
"""How often a password is hashed; Kafka's own tools take 4,096 at least."""

Operation = Literal["read", "write", "describe", "describe_configs"]
Kind = Literal["topic", "group", "transactional_id"]


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One thing that one principal may do."""

    principal: str
    kind: Kind
    name: str
    prefixed: bool
    """Whether it is about everything whose name begins with `name`."""
    operation: str

    def __str__(self) -> str:
        return f"{self.principal}: {self.operation} {self.kind} {self.name}{'*' if self.prefixed else ''}"


@dataclass(frozen=True, slots=True)
class Principal:
    """A user of Kafka, what it is for, and what it may do."""

    name: str
    purpose: str
    rights: tuple[Right, ...]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Stated(_Strict):
    purpose: str = Field(alias="for")
    topics: dict[str, Annotated[tuple[Operation, ...], Field(min_length=1)]]
    groups: tuple[str, ...] = ()
    transactional_ids: tuple[str, ...] = ()


class _File(_Strict):
    principals: dict[Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")], _Stated]


def load_access(path: Path | None = None, *, app_id: str = DEFAULT_APP_ID) -> tuple[Principal, ...]:
    """Read the file of rights (default: `deploy/kafka/acls.yaml`). Raises UserError that names file, principal and field."""
    path = path or deploy_file("kafka/acls.yaml")
    try:
        stated = _File.model_validate(read_yaml(path))
    except YamlError as error:
        raise UserError(str(error)) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise UserError(f"{path}: {': '.join(str(part) for part in first['loc']) or 'the file'}: {first['msg']}") from None
    return tuple(_principal(name, each, app_id) for name, each in stated.principals.items())


def _principal(name: str, stated: _Stated, app_id: str) -> Principal:
    def right(kind: Kind, of: str, operation: str) -> Right:
        full = of.replace("{app_id}", app_id)
        return Right(name, kind, full.removesuffix("*"), full.endswith("*"), operation)

    rights = [right("topic", topic, operation) for topic, operations in stated.topics.items() for operation in operations]
    rights += [right("group", group, "read") for group in stated.groups]
    rights += [right("transactional_id", own, "write") for own in stated.transactional_ids]
    return Principal(name, stated.purpose, tuple(rights))


def read_passwords(folder: Path, principals: Iterable[Principal]) -> dict[str, str]:
    """The password of each, from the file of its name in `folder`. Raises UserError for one that is missing or too short."""
    found = {}
    for principal in principals:
        try:
            found[principal.name] = (folder / principal.name).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise UserError(f"{folder / principal.name}: cannot be read ({error.strerror}): put the password of "
                            f"{principal.name} there (scripts/secure-kafka.sh makes them)") from None
        if len(found[principal.name]) < 16:
            raise UserError(f"{folder / principal.name}: a password has 16 characters or more")
    return found


def set_passwords(settings: KafkaSettings, passwords: Mapping[str, str]) -> None:
    """Make the users, or give them these passwords. Raises BrokerUnreachable, and UserError if the cluster refuses."""
    from kafka.admin import ScramMechanism, UserScramCredentialUpsertion

    check_broker(settings)
    with contextlib.closing(admin(settings)) as client:
        answers = client.alter_user_scram_credentials([
            UserScramCredentialUpsertion(name, ScramMechanism.SCRAM_SHA_512, password, iterations=SCRAM_ITERATIONS)
            for name, password in passwords.items()])
    if refused := sorted(name for name, error in answers.items() if error is not None):
        raise UserError(f"Kafka did not take the password of {refused[0]} ({answers[refused[0]]})")


def grant(settings: KafkaSettings, principals: Iterable[Principal]) -> list[Right]:
    """Give the rights that are missing, and return them; what else there is stays. Raises as `set_passwords`."""
    missing, _ = compare(settings, principals)
    if missing:
        with contextlib.closing(admin(settings)) as client:
            failed = client.create_acls([_acl(right) for right in missing])["failed"]
        if failed:
            raise UserError(f"Kafka did not take {len(failed)} of {len(missing)} rights ({failed[0][1]}): is this the "
                            "administrator, and do the brokers have an authorizer?")
    return missing


def compare(settings: KafkaSettings, principals: Iterable[Principal]) -> tuple[list[Right], list[Right]]:
    """Rights stated that the cluster lacks, and rights the cluster gives (to whomever) that are not stated; both sorted."""
    from kafka import errors
    from kafka.admin import (
        ACLFilter,
        ACLOperation,
        ACLPermissionType,
        ACLResourcePatternType,
        ResourcePatternFilter,
        ResourceType,
    )

    check_broker(settings)
    anything = ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY)
    with contextlib.closing(admin(settings)) as client:
        try:
            found, error = client.describe_acls(ACLFilter(None, None, ACLOperation.ANY, ACLPermissionType.ANY, anything))
        except (errors.SecurityDisabledError, errors.ClusterAuthorizationFailedError) as refused:
            raise _no_rights(refused) from None
    if error is not errors.NoError:
        raise _no_rights(error)
    there = {_right(acl) for acl in found}
    stated = {right for principal in principals for right in principal.rights}
    return sorted(stated - there), sorted(there - stated)


def _no_rights(error: object) -> UserError:
    name = getattr(error, "__name__", type(error).__name__)
    return UserError(f"Kafka does not show who may do what ({name}): it needs the administrator, and brokers with an "
                     "authorizer (deploy/kafka/secured.properties)")


def _acl(right: Right) -> "ACL":
    from kafka.admin import ACL, ACLOperation, ACLPermissionType, ACLResourcePatternType, ResourcePattern, ResourceType

    pattern = ACLResourcePatternType.PREFIXED if right.prefixed else ACLResourcePatternType.LITERAL
    return ACL(f"User:{right.principal}", "*", ACLOperation[right.operation.upper()], ACLPermissionType.ALLOW,
               ResourcePattern(ResourceType[right.kind.upper()], right.name, pattern))


def _right(acl: "ACL") -> Right:
    """A rule as the cluster has it; what we never give (a denial, one host only) shows in the operation."""
    from kafka.admin import ACLPermissionType, ACLResourcePatternType

    pattern = acl.resource_pattern
    operation = acl.operation.name.lower()
    if acl.permission_type is not ACLPermissionType.ALLOW or acl.host != "*":
        operation = f"{acl.permission_type.name.lower()} {operation} from {acl.host}:"
    return Right(acl.principal.removeprefix("User:"), pattern.resource_type.name.lower(), pattern.resource_name,
                 pattern.pattern_type is ACLResourcePatternType.PREFIXED, operation)
