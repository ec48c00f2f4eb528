"""The three roles: viewer, operator, administrator."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

VIEWER = (
    "view_datastore",
    "view_datasource",
    "view_etltransaction",
    "view_logerror",
)
OPERATOR = (*VIEWER, "run_datasource", "acknowledge_logerror")
ADMINISTRATOR = (
    *OPERATOR,
    "add_datastore",
    "change_datastore",
    "delete_datastore",
    "add_datasource",
    "change_datasource",
    "delete_datasource",
    "purge_etltransaction",
    "view_logentry",
)
ROLES = {"viewer": VIEWER, "operator": OPERATOR, "administrator": ADMINISTRATOR}


def create_roles(apps, schema_editor):
    # Django makes permissions after the last migration; the roles need them now.
    alias = schema_editor.connection.alias
    for label in ("catalog", "admin"):
        config = apps.get_app_config(label)
        config.models_module = True
        create_permissions(config, apps=apps, verbosity=0, using=alias)
        config.models_module = None
    groups = apps.get_model("auth", "Group").objects.using(alias)
    every_permission = apps.get_model("auth", "Permission").objects.using(alias)
    for role, codenames in ROLES.items():
        group, _ = groups.get_or_create(name=role)
        permissions = every_permission.filter(
            content_type__app_label__in=("catalog", "admin"), codename__in=codenames
        )
        if permissions.count() != len(codenames):
            raise RuntimeError(f"Permissions of role {role} are missing.")
        group.permissions.set(permissions)


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0001_initial"),
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [migrations.RunPython(create_roles, migrations.RunPython.noop)]
