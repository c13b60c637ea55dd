# SPDX-License-Identifier: MIT
"""whole_pytest.py - the sixty tests of whole_suite.c, for pytest with httpx."""
import os
import uuid

import httpx
import pytest

HASH = "2d70999ae1805e4bcef9b4ab3a4b827f578c61740f30076fcdc35c7ae7f586b3"
TEI = '<TEI xmlns="http://www.tei-c.org/ns/1.0"><teiHeader/><text><body><p>%s</p></body></text></TEI>'


@pytest.mark.parametrize("row", range(60))
def test_reviewer_edits_a_document(row):
    with httpx.Client(base_url=os.environ["WALGRIND_URL"] + "/api/v1") as http:
        login = http.post("/auth/login", json={"username": "reviewer", "passwd_hash": HASH})
        assert login.status_code == 200
        http.headers["X-Session-Id"] = login.json()["sessionId"]

        name = "doc" + uuid.uuid4().hex
        saved = http.post("/files/save", json={"file_id": name, "xml_string": TEI % name})
        assert saved.status_code == 200
        assert saved.json()["status"] == "new_gold"
        document = saved.json()["file_id"]

        served = http.get(f"/files/{document}")
        assert served.status_code == 200
        assert name in served.text

        left = http.post("/files/release_lock", json={"file_id": document})
        assert left.status_code == 200
        assert left.json()["action"] == "released"

        deleted = http.post("/files/delete", json={"files": [document]})
        assert deleted.status_code == 200
        assert deleted.json()["result"] == "ok"
