"""Data Store: one Oracle connection."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from etl_web_admin.catalog import validators
from etl_web_admin.catalog.encryption import EncryptedField
from etl_web_admin.catalog.models.choices import Protocol, between, filled, one_of

EBS_NUMBERS = (
    "ebs_user_id",
    "ebs_responsibility_id",
    "ebs_application_id",
    "ebs_security_group_id",
)
_ONE_ADDRESS = (
    (~Q(service_name="") & Q(sid="", descriptor=""))
    | (~Q(sid="") & Q(service_name="", descriptor=""))
    | (~Q(descriptor="") & Q(service_name="", sid=""))
)
_EBS_NONE = Q(ebs_product="", **{f"{name}__isnull": True for name in EBS_NUMBERS})
_EBS_ALL = ~Q(ebs_product="") & Q(**{f"{name}__isnull": False for name in EBS_NUMBERS})


class DataStore(models.Model):
    """One Oracle connection: where, as whom, and in which session context."""

    name = models.CharField(
        max_length=64,
        unique=True,
        validators=[validators.store_name],
        help_text="How this connection is called, e.g. ERP production.",
    )
    host = models.CharField(
        max_length=255,
        blank=True,
        validators=[validators.host_name],
        help_text="Host name or IP address of the listener.",
    )
    port = models.PositiveIntegerField(
        default=1521, validators=[MinValueValidator(1), MaxValueValidator(65535)]
    )
    service_name = models.CharField(
        max_length=255,
        blank=True,
        validators=[validators.printable],
        help_text="Give exactly one of service name, SID and connect descriptor.",
    )
    sid = models.CharField("SID", max_length=64, blank=True, validators=[validators.printable])
    descriptor = models.TextField(
        "connect descriptor",
        blank=True,
        help_text="Full descriptor, e.g. (DESCRIPTION=(ADDRESS_LIST=…)(CONNECT_DATA=…)), "
        "for RAC and failover addresses.",
    )
    user = models.CharField(
        max_length=261,
        validators=[validators.printable],
        help_text="Account that may read the views; proxy form USER[CLIENT] is allowed.",
    )
    password = EncryptedField(blank=True, default="")
    protocol = models.CharField(max_length=4, choices=Protocol.choices, default=Protocol.TCP)
    wallet_location = models.CharField(
        max_length=1024,
        blank=True,
        validators=[validators.printable],
        help_text="Folder of the wallet (ewallet.pem) on the server that runs the ETL.",
    )
    wallet_password = EncryptedField(blank=True, default="")
    thick = models.BooleanField(
        "thick driver",
        default=False,
        help_text="Needs Oracle Client libraries: for native network encryption and for "
        "databases before 12.1.",
    )
    session_time_zone = models.CharField(
        max_length=64,
        default="+00:00",
        validators=[validators.session_time_zone],
        help_text="An offset (+07:00) or a region (Asia/Bangkok).",
    )
    current_schema = models.CharField(
        max_length=128,
        blank=True,
        validators=[validators.oracle_name],
        help_text="ALTER SESSION SET CURRENT_SCHEMA; empty keeps the account's own.",
    )
    ebs_user_id = models.BigIntegerField("EBS user id", null=True, blank=True)
    ebs_responsibility_id = models.BigIntegerField("EBS responsibility id", null=True, blank=True)
    ebs_application_id = models.BigIntegerField("EBS application id", null=True, blank=True)
    ebs_security_group_id = models.BigIntegerField("EBS security group id", null=True, blank=True)
    ebs_product = models.CharField(
        "EBS product",
        max_length=30,
        blank=True,
        validators=[validators.oracle_name],
        help_text="Short name of the application for MO_GLOBAL.INIT, e.g. SQLGL, AR, AP.",
    )

    class Meta:
        db_table = "data_store"
        ordering = ("name",)
        verbose_name = "Data Store"
        verbose_name_plural = "Data Store"
        constraints = (
            *filled("store", ("name", "user", "session_time_zone")),
            one_of("store", "protocol", Protocol),
            between("store", "port", 1, 65535),
            models.CheckConstraint(
                name="store_one_address",
                condition=_ONE_ADDRESS,
                violation_error_message="Give exactly one of service name, SID and connect "
                "descriptor.",
            ),
            models.CheckConstraint(
                name="store_host_or_descriptor",
                condition=~Q(host="") | ~Q(descriptor=""),
                violation_error_message="Give a host, or a full connect descriptor.",
            ),
            models.CheckConstraint(
                name="store_ebs_all_or_none",
                condition=_EBS_NONE | _EBS_ALL,
                violation_error_message="The E-Business Suite context is five fields: fill all "
                "of them or none.",
            ),
        )

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """What goes into a connect string must not become more of it than a value."""
        checks = {
            "service_name": validators.connect_word,
            "sid": validators.connect_word,
            "descriptor": validators.connect_descriptor,
            "wallet_location": validators.connect_folder,
        }
        faults: dict[str, ValidationError] = {}
        for name, check in checks.items():
            try:
                check(getattr(self, name))
            except ValidationError as error:
                faults[name] = error
        if faults:
            raise ValidationError(faults)

    def __repr__(self) -> str:
        return f"<DataStore {self.name}>"
