# SPDX-License-Identifier: MIT
"""whole_pytest.py - the sixty tests of whole_suite.c, for pytest with httpx."""
import os

import httpx
import pytest

HASH = "2d70999ae1805e4bcef9b4ab3a4b827f578c61740f30076fcdc35c7ae7f586b3"


@pytest.mark.parametrize("row", range(60))
def test_reviewer_logs_in_and_lists_files(row):
    with httpx.Client(base_url=os.environ["WALGRIND_URL"]) as http:
        login = http.post("/api/v1/auth/login", json={"username": "reviewer", "passwd_hash": HASH})
        assert login.status_code == 200
        session = {"X-Session-Id": login.json()["sessionId"]}

        status = http.get("/api/v1/auth/status", headers=session)
        assert status.status_code == 200
        assert status.json()["username"] == "reviewer"

        files = http.get("/api/v1/files/list", headers=session)
        assert files.status_code == 200
        assert isinstance(files.json()["files"], list)
