"""Users, groups and the audit history, in the look of the other pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import Model, QuerySet
from django.forms import ModelMultipleChoiceField
from django.http import HttpRequest
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from etl_web_admin.catalog.admin.base import Admin, DayRangeFilter, ReadOnlyAdmin, one_line
from etl_web_admin.catalog.templatetags.etl import moment

if TYPE_CHECKING:
    _Base = Admin
else:
    _Base = object

admin.site.unregister(User)
admin.site.unregister(Group)


class OnlySuperusers(_Base):
    """Whoever may change accounts or roles could give himself everything, so superusers do."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Superusers."""
        return request.user.is_superuser

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Superusers."""
        return request.user.is_superuser

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Superusers."""
        return request.user.is_superuser


@admin.register(User)
class PeopleAdmin(OnlySuperusers, UserAdmin, Admin):  # type: ignore[type-arg]
    """Accounts of the site. Their role is a group: viewer, operator or administrator."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "roles", "is_active", "is_superuser", "last_login")
    list_filter = ("is_active", "is_superuser", "groups")
    list_fullwidth = False
    filter_horizontal = ()
    readonly_fields = ("last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": (("first_name", "last_name"), "email")}),
        ("Access", {"fields": ("groups", ("is_active", "is_superuser"))}),
        ("Dates", {"fields": (("last_login", "date_joined"),)}),
    )
    add_fieldsets = (
        (None, {"fields": ("username", "usable_password", "password1", "password2", "groups")}),
    )

    def formfield_for_manytomany(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> ModelMultipleChoiceField | None:  # type: ignore[type-arg]
        """The roles as boxes to tick."""
        if db_field.name == "groups":
            return ModelMultipleChoiceField(
                Group.objects.order_by("name"),
                required=False,
                label="Roles",
                widget=UnfoldAdminCheckboxSelectMultipleWidget,
                help_text="viewer looks; operator also runs, stops and acknowledges; "
                "administrator also configures and purges.",
            )
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Every account is for this site, the only one there is: Django calls that staff."""
        obj.is_staff = True
        super().save_model(request, obj, form, change)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """With the groups, in two queries for the whole list."""
        rows: QuerySet[User] = super().get_queryset(request)
        return rows.prefetch_related("groups")

    @admin.display(description="role")
    def roles(self, user: User) -> str:
        """The groups."""
        return ", ".join(group.name for group in user.groups.all()) or "–"


@admin.register(Group)
class RoleAdmin(OnlySuperusers, GroupAdmin, Admin):
    """Roles. Three come with the site."""

    list_fullwidth = False


@admin.register(LogEntry)
class AuditAdmin(ReadOnlyAdmin):
    """Who changed what, and when."""

    list_display = ("time", "user", "what", "object_repr", "change")
    list_display_links = None
    list_filter = (("action_time", DayRangeFilter), "user", "content_type")
    list_filter_submit = True
    search_fields = ("object_repr", "change_message", "user__username")
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[LogEntry]:
        """With user and kind, in one query."""
        rows: QuerySet[LogEntry] = super().get_queryset(request)
        return rows.select_related("user", "content_type")

    @admin.display(description="time", ordering="action_time")
    def time(self, entry: LogEntry) -> str:
        """In the site's zone."""
        return one_line(moment(entry.action_time))

    @admin.display(description="kind", ordering="content_type")
    def what(self, entry: LogEntry) -> str:
        """Of which table."""
        return str(entry.content_type.name) if entry.content_type else "–"

    @admin.display(description="change")
    def change(self, entry: LogEntry) -> str:
        """In words."""
        return entry.get_change_message() or entry.get_action_flag_display()
