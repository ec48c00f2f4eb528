"""The site as a WSGI application, for `manage.py serve`, IIS or another server."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "etl_web_admin.settings")

application = get_wsgi_application()
