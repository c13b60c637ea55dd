#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""manage.py - a small Django project with tests of every kind that touch the database, for healthy_real.py."""
import os
import sys

from django.core.management import execute_from_command_line

os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
execute_from_command_line(sys.argv)
