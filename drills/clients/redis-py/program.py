"""redis-py, with RedisCluster or with Redis on one address: one thread for each lane, one client object for all.

The lines are those of ../README.md; the configuration is the last argument.
"""

import itertools
import json
import os
import random
import sys
import threading
import time

import redis
from redis.backoff import ExponentialBackoff
from redis.cluster import ClusterNode, LoadBalancingStrategy, RedisCluster
from redis.retry import Retry

FINISH_WITHIN_S = 1.0

print_lock = threading.Lock()
ids = itertools.count()
over = threading.Event()


def tell(line):
    text = json.dumps(line) + "\n"
    with print_lock:
        sys.stdout.write(text)
        sys.stdout.flush()


def endpoint_of(address):
    host, port = address.rsplit(":", 1)
    return host.strip("[]"), int(port)


def open_cluster(config):
    nodes = [ClusterNode(*endpoint_of(address)) for address in config["masters"]]
    options = {}
    if config["settings"] == "recommended":
        # Why these: docs/operating/clients.md.
        options = {
            "socket_connect_timeout": 0.5,
            "socket_timeout": 3.0,
            "retry": Retry(ExponentialBackoff(base=0.01, cap=0.2), 30),
        }
    if config["reads"] == "replicas":
        options["load_balancing_strategy"] = LoadBalancingStrategy.RANDOM_REPLICA
    return RedisCluster(startup_nodes=nodes, decode_responses=True, **options)


def open_one(address, config):
    host, port = endpoint_of(address)
    options = {}
    if config["settings"] == "recommended":
        options = {
            "socket_connect_timeout": 0.5,
            "socket_timeout": 3.0,
            "retry": Retry(ExponentialBackoff(base=0.01, cap=0.2), 30),
            "retry_on_error": [redis.exceptions.ReadOnlyError, redis.exceptions.MovedError],
        }
    return redis.Redis(host=host, port=port, decode_responses=True, **options)


def text_of(error):
    return f"{type(error).__name__}: {error}"


class Lane:
    def __init__(self, client, name):
        self.client = client
        self.name = name

    def operate(self, key, value=None):
        op_id = next(ids)
        begin = {"begin": op_id, "lane": self.name, "op": "read" if value is None else "write", "key": key}
        if value is not None:
            begin["value"] = value
        tell({**begin, "atNs": time.monotonic_ns()})
        end = {"end": op_id}
        try:
            if value is None:
                end["value"] = self.client.get(key)
            elif self.client.set(key, value) is not True:
                end["error"] = "unexpected reply"
        except Exception as error:  # what an application would see, whatever it is
            end["error"] = text_of(error)
        tell({**end, "atNs": time.monotonic_ns()})
        return "error" not in end

    def run(self, lane, pace_s):
        fresh = None
        reads = lane["reads"]
        for n in itertools.count():
            if over.is_set():
                return
            self.operate(lane["register"], f"{self.name}-{n}-r")
            if reads:
                self.operate(reads[n % len(reads)])
            key = f"{lane['tag']}{self.name}-{n}"
            written = self.operate(key, f"{self.name}-{n}-f")
            if fresh is not None:
                self.operate(fresh)
            if written:
                fresh = key
            time.sleep(pace_s / 2 + random.random() * pace_s)


def main():
    config = json.loads(sys.argv[-1])
    is_cluster = config["mode"] == "cluster"
    client = open_cluster(config) if is_cluster else open_one(config["masters"][0], config)
    if not is_cluster:
        client.ping()
    tell({"hello": {"library": "redis-py", "version": redis.__version__}, "atNs": time.monotonic_ns()})
    lanes = [
        threading.Thread(target=Lane(client, lane["name"]).run, args=(lane, config["paceMs"] / 1000), daemon=True)
        for lane in config["lanes"]
    ]
    for lane in lanes:
        lane.start()
    sys.stdin.read()
    over.set()
    deadline = time.monotonic() + FINISH_WITHIN_S
    for lane in lanes:
        lane.join(max(0.0, deadline - time.monotonic()))
    with print_lock:
        sys.stdout.flush()
        os._exit(0)


if __name__ == "__main__":
    main()
