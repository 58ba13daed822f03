#!/usr/bin/env python3
"""A producer in Python's standard library: enqueues jobs over Drover's HTTP API and reads how they ended.

As a module: ``Drover(url, token).enqueue('image.resize', {...})``. As a program: see README.md beside this file.
"""

import argparse
import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid


class Problem(Exception):
    """What the API answers instead of a result (RFC 9457). ``code`` is stable, ``body`` has all of it."""

    def __init__(self, status, body):
        super().__init__(f"{status} {body.get('code')}: {body.get('detail')}")
        self.status = status
        self.code = body.get("code")
        self.body = body


class Drover:
    """One API and one token. Requests that a busy or restarting server refuses are repeated ``attempts`` times."""

    def __init__(self, url, token, attempts=5, timeout=90):
        self._url = url.rstrip("/")
        self._token = token
        self._attempts = attempts
        self._timeout = timeout

    def enqueue(self, job, value, wait_seconds=None, key=None, **options):
        """Enqueues one job and gives ``{id, job, queue}``, or with ``wait_seconds`` its result record if it ends in time.

        It is safe to repeat: without a ``key`` each call makes one of its own, so that a lost answer enqueues nothing twice.
        """
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        if "id" in options:
            del headers["Idempotency-Key"]
        if wait_seconds is not None:
            headers["Prefer"] = f"wait={wait_seconds}"
        body = {"job": job, "input": value, "options": options}
        return self.request("POST", "/v1/jobs", body, headers)

    def enqueue_many(self, job, values):
        """Enqueues one job per value in one request, and yields an answer for each, in order."""
        lines = (json.dumps({"job": job, "input": value}, ensure_ascii=False) + "\n" for value in values)
        data = "".join(lines).encode("utf-8")
        with self._open("POST", "/v1/jobs/bulk", data, {"Content-Type": "application/x-ndjson"}) as response:
            for line in response:
                answer = json.loads(line)
                if "summary" not in answer:
                    yield answer
                elif not answer["summary"]["complete"]:
                    raise Problem(answer["summary"]["problem"]["status"], answer["summary"]["problem"])

    def result(self, queue, job_id, wait_seconds=30):
        """The result record, or None when the job does not end in time."""
        path = f"/v1/queues/{queue}/jobs/{job_id}/result"
        answer = self.request("GET", path, headers={"Prefer": f"wait={wait_seconds}"})
        return answer if "status" in answer else None

    def counter(self, queue, name):
        return self.request("GET", f"/v1/queues/{queue}/counters/{name}")["value"]

    def request(self, method, path, body=None, headers=None):
        """One request, repeated while the answer is 429 or 503. The caller sees to it that repeating does no harm."""
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode("utf-8")
        sent = {**({} if data is None else {"Content-Type": "application/json"}), **(headers or {})}
        for attempt in range(1, self._attempts + 1):
            try:
                with self._open(method, path, data, sent) as response:
                    text = response.read()
                    return json.loads(text) if text else None
            except Problem as problem:
                if problem.status not in (429, 503) or attempt == self._attempts:
                    raise
                time.sleep(problem.body.get("retryAfter", 1))
            except urllib.error.URLError:
                if attempt == self._attempts:
                    raise
                time.sleep(min(2 ** attempt * 0.1, 5))

    def _open(self, method, path, data, headers):
        request = urllib.request.Request(self._url + path, data=data, method=method, headers=headers)
        request.add_header("Authorization", f"Bearer {self._token}")
        try:
            return urllib.request.urlopen(request, timeout=self._timeout)
        except urllib.error.HTTPError as error:
            text = error.read()
            is_problem = error.headers.get("Content-Type", "").startswith("application/problem+json")
            body = json.loads(text) if is_problem else {"code": "HTTP", "detail": error.reason}
            body["retryAfter"] = int(error.headers.get("Retry-After", "1"))
            raise Problem(error.code, body) from None


def main():
    parser = argparse.ArgumentParser(description="Enqueue a job over Drover's HTTP API, one for each line of input.")
    parser.add_argument("job", help="name of the job")
    parser.add_argument("input", nargs="?", help="its input as JSON; without it, each line of standard input is one")
    parser.add_argument("--url", default=os.environ.get("DROVER_URL", "http://127.0.0.1:3768"))
    parser.add_argument("--wait", type=int, metavar="SECONDS", help="wait for the result, and print its record")
    parser.add_argument("--key", help="idempotency key")
    given = parser.parse_args()
    token = os.environ.get("DROVER_API_TOKEN")
    if not token:
        sys.exit("DROVER_API_TOKEN holds the token: drover token create NAME --scope enqueue,read")
    drover = Drover(given.url, token)
    try:
        if given.input is not None:
            answer = drover.enqueue(given.job, json.loads(given.input), given.wait, given.key)
            print(json.dumps(answer, ensure_ascii=False))
            return 1 if answer.get("status") == "failed" else 0
        refused = 0
        for answer in drover.enqueue_many(given.job, (json.loads(line) for line in sys.stdin if line.strip())):
            print(json.dumps(answer, ensure_ascii=False))
            refused += answer["status"] >= 400
        return 1 if refused else 0
    except Problem as problem:
        print(json.dumps(problem.body, ensure_ascii=False), file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
