# SPDX-License-Identifier: MIT
"""views.py - adds and counts notes."""
from django.db import transaction
from django.http import JsonResponse

from notes.models import Note


def add(request):
    with transaction.atomic():
        note = Note.objects.create(text=request.GET.get("text", "none"))
    return JsonResponse({"id": note.pk})


def count(_request):
    return JsonResponse({"count": Note.objects.count()})
