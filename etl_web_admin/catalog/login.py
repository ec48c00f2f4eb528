"""Login with a throttle, and the one-time page that makes the first account.

Counted over fifteen minutes, in the database, so that neither a restart nor several site
processes reset the count.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.contrib.auth.forms import BaseUserCreationForm
from django.contrib.auth.models import User
from django.core import signing
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from unfold.forms import AuthenticationForm
from unfold.widgets import BASE_INPUT_CLASSES

from etl_web_admin.catalog.models import LoginFailure

WINDOW = timedelta(minutes=15)
PER_USER_AND_ADDRESS = 5
PER_USER = 20
PER_ADDRESS = 50
SETUP_SALT = "etl.first-account"
SETUP_SECONDS = 24 * 3600


class ThrottledLogin(AuthenticationForm):  # type: ignore[misc]
    """The login form; after too many failures it refuses without looking at the password."""

    def clean(self) -> dict[str, Any]:
        """Count the try before it is judged, so that tries at the same moment count too."""
        name = self.cleaned_data.get("username", "")[:150]
        address = self.request.META.get("REMOTE_ADDR", "")[:64]
        LoginFailure.objects.filter(failed_at__lt=timezone.now() - WINDOW).delete()
        if _too_many(name, address):
            raise ValidationError(
                "Too many failed logins. Wait a quarter of an hour, then try again.",
                code="throttled",
            )
        LoginFailure.objects.create(user_name=name, address=address)
        cleaned: dict[str, Any] = super().clean()
        LoginFailure.objects.filter(user_name=name, address=address).delete()
        return cleaned


def _too_many(name: str, address: str) -> bool:
    recent = LoginFailure.objects.filter(failed_at__gte=timezone.now() - WINDOW)
    by_user = recent.filter(user_name=name)
    return (
        by_user.filter(address=address).count() >= PER_USER_AND_ADDRESS
        or by_user.count() >= PER_USER
        or recent.filter(address=address).count() >= PER_ADDRESS
    )


def setup_token() -> str:
    """What `serve` prints while there is no account; valid for a day and for one account."""
    return signing.dumps("first", salt=SETUP_SALT)


class FirstAccount(BaseUserCreationForm):  # type: ignore[type-arg]
    """Name and password of the first administrator."""

    class Meta:
        model = User
        fields = ("username",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs["class"] = " ".join(BASE_INPUT_CLASSES)


def setup(request: HttpRequest, token: str) -> HttpResponse:
    """Make the first account. Raises Http404 for a wrong or old token, or when one exists."""
    try:
        signing.loads(token, salt=SETUP_SALT, max_age=SETUP_SECONDS)
    except signing.BadSignature:
        raise Http404 from None
    form = FirstAccount(request.POST or None)
    with transaction.atomic():
        if User.objects.exists():
            raise Http404
        if request.method == "POST" and form.is_valid():
            _make_superuser(form)
            messages.success(request, "The account is made. Log in.")
            return HttpResponseRedirect(reverse("admin:login"))
    context = {"form": form, "title": "First account", "site_title": "Oracle ERP → BigQuery"}
    return TemplateResponse(request, "catalog/setup.html", context)


def _make_superuser(form: FirstAccount) -> None:
    user = form.save(commit=False)
    user.is_staff = user.is_superuser = True
    user.save()
