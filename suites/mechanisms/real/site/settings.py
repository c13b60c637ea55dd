# SPDX-License-Identifier: MIT
"""settings.py - the usual ones; two databases, in files in tests too, so that processes and threads share them."""
import os

PLACE = os.path.dirname(os.path.abspath(__file__))
SECRET_KEY = "of no use"
DEBUG = True
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "urls"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "notes"]
MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware",
              "django.contrib.auth.middleware.AuthenticationMiddleware"]
DATABASES = {
    name: {"ENGINE": "django.db.backends.sqlite3", "NAME": os.path.join(PLACE, f"{name}.sqlite3"),
           "OPTIONS": {"timeout": 20}, "TEST": {"NAME": os.path.join(PLACE, f"test_{name}.sqlite3")}}
    for name in ("default", "archive")
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "/static/"
USE_TZ = True
