"""Login failures: what the throttle counts."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class LoginFailure(models.Model):
    """One refused login. Rows are deleted by a success and by age."""

    user_name = models.CharField(max_length=150)
    address = models.CharField(max_length=64)
    failed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "login_failure"
        default_permissions = ()
        indexes = (
            models.Index(fields=("user_name", "failed_at"), name="login_user_failed"),
            models.Index(fields=("address", "failed_at"), name="login_address_failed"),
        )

    def __str__(self) -> str:
        return f"{self.user_name} from {self.address}"
