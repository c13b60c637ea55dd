# SPDX-License-Identifier: MIT
"""urls.py - two views."""
from django.urls import path

from notes import views

urlpatterns = [path("add", views.add), path("count", views.count)]
