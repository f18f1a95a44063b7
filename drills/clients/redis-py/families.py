"""A session over all families of commands with redis-py: what the library makes of the replies is compared with what is right.

Arguments: host, port, protocol (2 or 3). A line for each section that passed; the first difference ends it.
"""

import sys
import threading
import time

import redis


def same(found, wanted):
    assert found == wanted, f"{found!r} instead of {wanted!r}"


def strings(r, _):
    same(r.set("s", "välue"), True)
    same(r.get("s"), "välue")
    same(r.get("absent"), None)
    same(r.set("s", "x", nx=True), None)
    same(r.set("s", "new", get=True), "välue")
    same(r.append("s", "er"), 5)
    same(r.getrange("s", 1, -1), "ewer")
    same(r.mset({"s1": 1, "s2": 2}), True)
    same(r.mget("s1", "s2", "absent"), ["1", "2", None])
    same(r.incrby("s1", 41), 42)
    same(r.incrbyfloat("s1", 0.5), 42.5)
    same(r.expire("s1", 100), True)
    assert 0 < r.ttl("s1") <= 100
    same(r.type("s"), "string")
    same(r.exists("s", "s1", "absent"), 2)
    same(r.delete("s1", "absent"), 1)
    try:
        r.lpush("s", "x")
    except redis.ResponseError as error:
        assert "WRONGTYPE" in str(error) or "wrong kind" in str(error), error
    else:
        raise AssertionError("LPUSH to a string was accepted")


def hashes(r, _):
    same(r.hset("h", mapping={"a": "1", "b": "2"}), 2)
    same(r.hgetall("h"), {"a": "1", "b": "2"})
    same(r.hmget("h", "a", "c"), ["1", None])
    same(r.hincrbyfloat("h", "a", 0.5), 1.5)
    same(sorted(r.hkeys("h")), ["a", "b"])
    same(dict(r.hscan_iter("h")), {"a": "1.5", "b": "2"})
    same(r.hexists("h", "a"), True)
    same(r.hdel("h", "a"), 1)


def lists(r, open_one):
    same(r.rpush("l", "a", "b", "c"), 3)
    same(r.lrange("l", 0, -1), ["a", "b", "c"])
    same(r.lpos("l", "b"), 1)
    same(r.lmove("l", "l2", "LEFT", "RIGHT"), "a")
    same(r.lmpop(1, "l", direction="LEFT", count=5), ["l", ["b", "c"]])
    same(tuple(r.blpop(["l", "l2"], 1)), ("l2", "a"))
    same(r.blpop("l", 0.05), None)
    got = []
    waiter = threading.Thread(target=lambda: got.append(open_one().blpop("waited", 10)))
    waiter.start()
    while r.info("clients")["blocked_clients"] == 0:
        time.sleep(0.005)
    same(r.rpush("waited", "x"), 1)
    waiter.join(10)
    same([tuple(each) for each in got], [("waited", "x")])


def sets(r, _):
    same(r.sadd("t1", "a", "b", "c"), 3)
    same(r.sadd("t2", "b", "c", "d"), 3)
    same(r.smembers("t1"), {"a", "b", "c"})
    same(r.sinter("t1", "t2"), {"b", "c"})
    same(r.sintercard(2, ["t1", "t2"]), 2)
    same(r.smismember("t1", ["a", "x"]), [1, 0])
    same(set(r.sscan_iter("t1")), {"a", "b", "c"})
    same(r.sismember("t1", "a"), 1)


def sorted_sets(r, _):
    same(r.zadd("z", {"a": 1, "b": 2.5, "c": float("inf")}), 3)
    same(r.zscore("z", "b"), 2.5)
    same(r.zscore("z", "absent"), None)
    same([tuple(pair) for pair in r.zrange("z", 0, -1, withscores=True)], [("a", 1), ("b", 2.5), ("c", float("inf"))])
    same(r.zrange("z", "-inf", 2.5, byscore=True), ["a", "b"])
    same(r.zincrby("z", 1.5, "a"), 2.5)
    same(r.zmscore("z", ["a", "x"]), [2.5, None])
    same([tuple(pair) for pair in r.zpopmax("z", 1)], [("c", float("inf"))])
    same(dict(r.zscan_iter("z")), {"a": 2.5, "b": 2.5})
    key, member, score = r.bzpopmin("z", 1)
    same((key, member, score), ("z", "a", 2.5))


def geo(r, _):
    same(r.geoadd("g", (13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania")), 2)
    assert abs(r.geodist("g", "Palermo", "Catania", unit="km") - 166.2742) < 0.001
    found = r.geosearch("g", longitude=15, latitude=37, radius=200, unit="km", sort="ASC", withdist=True)
    same([name for name, _ in found], ["Catania", "Palermo"])
    assert abs(found[0][1] - 56.4413) < 0.001
    longitude, _ = r.geopos("g", "Palermo")[0]
    assert abs(longitude - 13.361389) < 0.0001


def bitmaps(r, _):
    same(r.setbit("b", 7, 1), 0)
    same(r.getbit("b", 7), 1)
    same(r.bitcount("b"), 1)
    same(r.bitpos("b", 1), 7)
    same(r.bitfield("bf").set("u8", 0, 200).incrby("u8", 0, 100, "SAT").get("u4", 0).execute(), [0, 255, 15])


def hyperloglogs(r, _):
    same(r.pfadd("p", "a", "b", "c"), 1)
    same(r.pfcount("p"), 3)
    same(r.pfmerge("p2", "p"), True)
    same(r.pfcount("p", "p2"), 3)


def streams(r, _):
    same(r.xadd("x", {"f": "v"}, id="1-1"), "1-1")
    same(r.xadd("x", {"f": "w", "g": "y"}, id="1-2"), "1-2")
    same(r.xlen("x"), 2)
    same(r.xrange("x"), [("1-1", {"f": "v"}), ("1-2", {"f": "w", "g": "y"})])
    same(r.xgroup_create("x", "group", id="0"), True)
    found = r.xreadgroup("group", "me", {"x": ">"}, count=1)
    entries = [("1-1", {"f": "v"})]
    assert found in ([["x", entries]], {"x": [entries]}), found
    same(r.xpending("x", "group")["pending"], 1)
    same([each["name"] for each in r.xinfo_groups("x")], ["group"])
    same(r.xautoclaim("x", "group", "you", 0)[1], entries)
    same(r.xack("x", "group", "1-1"), 1)
    assert not r.xread({"x": "$"}, block=20)
    same(r.xinfo_stream("x")["length"], 2)


def documents(r, _):
    same(r.execute_command("JSON.SET", "j", "$", '{"a":{"b":[1,2]}}'), "OK")
    same(r.execute_command("JSON.GET", "j", "$.a.b"), "[[1,2]]")
    same(r.execute_command("JSON.ARRAPPEND", "j", "$.a.b", "3"), [3])
    same(r.json().get("j", "$.a.b[2]"), [3])


def messages(r, _):
    pubsub = r.pubsub()
    pubsub.subscribe("channel")
    pubsub.psubscribe("chan*")
    seen = []
    while len(seen) < 2:
        message = pubsub.get_message(timeout=10)
        if message is not None:
            seen.append(message["type"])
    same(seen, ["subscribe", "psubscribe"])
    same(r.publish("channel", "hello"), 2)
    kinds = set()
    while len(kinds) < 2:
        message = pubsub.get_message(timeout=10)
        if message is not None:
            same((message["channel"], message["data"]), ("channel", "hello"))
            kinds.add(message["type"])
    same(kinds, {"message", "pmessage"})
    same(r.pubsub_numsub("channel"), [("channel", 1)])
    pubsub.close()


def transactions(r, open_one):
    with r.pipeline(transaction=True) as pipe:
        same(pipe.set("m", 41).incr("m").hset("mh", "f", "v").hgetall("mh").execute(), [True, 42, 1, {"f": "v"}])
    with r.pipeline() as pipe:
        pipe.watch("m")
        open_one().set("m", 0)
        pipe.multi()
        pipe.incr("m")
        try:
            pipe.execute()
        except redis.WatchError:
            pass
        else:
            raise AssertionError("a watched key changed and the transaction ran")


def scripts(r, _):
    same(r.eval("return {KEYS[1], ARGV[1], 3, false}", 1, "k", "a"), ["k", "a", 3, None])
    script = r.register_script("redis.call('SET', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[1])")
    same(script(keys=["scripted"], args=["v"]), "v")
    same(r.function_load("#!lua name=lib\nredis.register_function('f', function(keys, args) return #keys end)"), "lib")
    same(r.fcall("f", 1, "k"), 1)
    assert r.function_delete("lib") in ("OK", True)


def scans(r, _):
    r.mset({f"scan:{i}": i for i in range(300)})
    same(len(set(r.scan_iter("scan:*", count=50))), 300)


def main():
    host, port, protocol = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

    def open_one():
        return redis.Redis(host=host, port=port, protocol=protocol, decode_responses=True)

    client = open_one()
    sections = [
        strings, hashes, lists, sets, sorted_sets, geo, bitmaps, hyperloglogs,
        streams, documents, messages, transactions, scripts, scans,
    ]
    for section in sections:
        section(client, open_one)
        print(section.__name__, flush=True)


if __name__ == "__main__":
    main()
