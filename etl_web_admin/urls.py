"""Every address of the site: the admin at the root, and the page of the first account."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from etl_web_admin.catalog import dashboard, login

urlpatterns = [
    path("setup/<str:token>/", login.setup, name="setup"),
    path("live/", admin.site.admin_view(dashboard.live), name="live"),
    path("", admin.site.urls),
]
