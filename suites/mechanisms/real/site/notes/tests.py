# SPDX-License-Identifier: MIT
"""tests.py - tests with a transaction around, without one, with threads, with a live server, on two databases."""
import concurrent.futures
import urllib.request

from django.contrib.auth.models import User
from django.db import connection, connections, transaction
from django.test import Client, LiveServerTestCase, TestCase, TransactionTestCase

from notes.models import Note


class InTransaction(TestCase):
    databases = {"default", "archive"}

    @classmethod
    def setUpTestData(cls):
        cls.user = User.objects.create_user("reader", password="secret")

    def test_a_view_adds(self):
        self.assertEqual(Client().get("/add?text=a").status_code, 200)
        self.assertEqual(Note.objects.count(), 1)

    def test_both_databases_take_notes(self):
        Note.objects.using("archive").create(text="old")
        self.assertEqual(Note.objects.using("archive").count(), 1)
        self.assertEqual(Note.objects.count(), 0)

    def test_a_savepoint_goes_back(self):
        with self.assertRaises(ValueError), transaction.atomic():
            Note.objects.create(text="never", owner=self.user)
            raise ValueError
        self.assertEqual(Note.objects.count(), 0)


class WithoutTransaction(TransactionTestCase):
    databases = {"default", "archive"}

    def test_threads_write(self):
        def work(number):
            try:
                for _ in range(5):
                    Note.objects.create(text=str(number))
            finally:
                connections.close_all()
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
        self.assertEqual(Note.objects.count(), 20)

    def test_raw_statements(self):
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA journal_mode")
            cursor.execute("INSERT INTO notes_note (text, [when]) VALUES ('raw', '2026-01-01')")
        self.assertEqual(Note.objects.count(), 1)


class Live(LiveServerTestCase):
    def test_requests_at_once(self):
        def fetch(number):
            with urllib.request.urlopen(f"{self.live_server_url}/add?text={number}") as answer:
                return answer.status
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            self.assertEqual(set(pool.map(fetch, range(20))), {200})
        self.assertEqual(Note.objects.count(), 20)
