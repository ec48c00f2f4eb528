"""Every address of the site: all of it is the admin, at the root."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

urlpatterns = [path("", admin.site.urls)]
