"""Drover's keys through Python's redis client, as a program in another language uses them.

Usage: python_client.py ACTION, with one JSON object on standard input: where Redis is and which keys to use. Every
statement about them is an assert; what was seen is printed as one JSON line.
"""

import json
import sys
import time

import redis


def connect(host, port, db, password):
    return redis.Redis(host=host, port=port, db=db, password=password, decode_responses=True)


def result(client, key):
    """A finished job's result: one JSON text under one key."""
    assert client.exists(key) == 1
    assert client.type(key) == "string"
    assert client.ttl(key) > 0
    record = json.loads(client.get(key))
    assert record["v"] == 1
    return record


def counters(client, counter, missing):
    """A counter is read, added to, and starts at 1 where there was none."""
    before = int(client.get(counter))
    assert client.incr(counter) == before + 1
    assert client.incrby(counter, 10) == before + 11
    assert client.ttl(counter) == -1

    assert client.get(missing) is None
    assert client.exists(missing) == 0
    assert client.incr(missing) == 1
    assert client.get(missing) == "1"
    return {"before": before, "after": int(client.get(counter))}


def sets(client, keys):
    """A counter may be set; what is set with a time to live, as a cache is, is gone after it."""
    assert client.set(keys["set"], 41) is True
    assert client.get(keys["set"]) == "41"
    assert client.set(keys["cached"], 1, px=200) is True
    assert client.pttl(keys["cached"]) <= 200
    while client.exists(keys["cached"]):
        time.sleep(0.01)
    assert client.get(keys["cached"]) is None


def structures(client, keys):
    """What a job staged, in each of Redis's five data structures."""
    assert client.type(keys["string"]) == "string"
    assert client.type(keys["list"]) == "list"
    assert client.type(keys["set"]) == "set"
    assert client.type(keys["sorted"]) == "zset"
    assert client.type(keys["hash"]) == "hash"
    return {
        "string": client.get(keys["string"]),
        "list": client.lrange(keys["list"], 0, -1),
        "set": sorted(client.smembers(keys["set"])),
        "sorted": client.zrange(keys["sorted"], 0, -1, withscores=True),
        "hash": client.hgetall(keys["hash"]),
    }


def delete(client, key):
    """A deleted key no longer exists."""
    assert client.exists(key) == 1
    assert client.delete(key) == 1
    assert client.exists(key) == 0
    assert client.get(key) is None
    assert client.delete(key) == 0


def use(given):
    client = connect(**given["redis"])
    assert client.ping() is True
    keys = given["keys"]
    seen = {
        "result": result(client, keys["result"]),
        "counter": counters(client, keys["counter"], keys["missing"]),
        "structures": structures(client, keys["structures"]),
        "totals": client.hgetall(keys["totals"]),
    }
    sets(client, keys)
    delete(client, keys["deleted"])
    return seen


def refuse(given):
    """The sign-in or the database is wrong: nothing is answered."""
    try:
        connect(**given["redis"]).get("anything")
    except redis.exceptions.RedisError as error:
        return {"refused": str(error)}
    raise AssertionError("the server answered")


def read(given):
    """What is there: results and counters by key, and the inputs of the jobs that wait in a queue."""
    client = connect(**given["redis"])
    waiting = given["waiting"]
    ids = client.lrange(waiting + "wait", 0, -1)
    return {
        "values": {key: client.get(key) for key in given["keys"]},
        "inputs": [json.loads(client.hget(waiting + job, "data")) for job in reversed(ids)],
    }


ACTIONS = {"use": use, "refuse": refuse, "read": read}

print(json.dumps(ACTIONS[sys.argv[1]](json.load(sys.stdin))))
