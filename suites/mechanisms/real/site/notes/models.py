# SPDX-License-Identifier: MIT
"""models.py - a note, which belongs to a user."""
from django.contrib.auth.models import User
from django.db import models


class Note(models.Model):
    owner = models.ForeignKey(User, null=True, on_delete=models.CASCADE)
    text = models.TextField()
    when = models.DateTimeField(auto_now_add=True)
