import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import redis.clients.jedis.DefaultJedisClientConfig;
import redis.clients.jedis.HostAndPort;
import redis.clients.jedis.Jedis;
import redis.clients.jedis.JedisPubSub;
import redis.clients.jedis.RedisProtocol;
import redis.clients.jedis.Response;
import redis.clients.jedis.StreamEntryID;
import redis.clients.jedis.Transaction;
import redis.clients.jedis.args.GeoUnit;
import redis.clients.jedis.args.ListDirection;
import redis.clients.jedis.exceptions.JedisDataException;
import redis.clients.jedis.params.ScanParams;
import redis.clients.jedis.params.XReadGroupParams;
import redis.clients.jedis.resps.ScanResult;
import redis.clients.jedis.resps.Tuple;

/**
 * A session over all families of commands with Jedis: what the library makes of the replies is compared with what is
 * right.
 *
 * <p>Arguments: host, port, protocol (2 or 3). A line for each section that passed; the first difference ends it.
 */
public final class Families {
  private static void same(String what, Object found, Object wanted) {
    if (!Objects.equals(found, wanted)) throw new AssertionError(what + ": " + found + " instead of " + wanted);
  }

  private static void near(String what, double found, double wanted) {
    if (Math.abs(found - wanted) > 0.001) throw new AssertionError(what + ": " + found + " instead of " + wanted);
  }

  private static void basics(Jedis jedis) {
    same("SET", jedis.set("s", "välue"), "OK");
    same("GET", jedis.get("s"), "välue");
    same("GET", jedis.get("absent"), null);
    same("MGET", jedis.mget("s", "absent"), Arrays.asList("välue", null));
    same("INCRBY", jedis.incrBy("n", 41), 41L);
    same("INCRBYFLOAT", jedis.incrByFloat("n", 0.5), 41.5);
    try {
      jedis.lpush("s", "x");
      throw new AssertionError("LPUSH to a string was accepted");
    } catch (JedisDataException error) {
      same("error", error.getMessage().startsWith("WRONGTYPE "), true);
    }
    same("HSET", jedis.hset("h", Map.of("a", "1", "b", "2")), 2L);
    same("HGETALL", new TreeMap<>(jedis.hgetAll("h")).toString(), "{a=1, b=2}");
    same("HMGET", jedis.hmget("h", "a", "c"), Arrays.asList("1", null));
  }

  private static void listsAndSets(Jedis jedis, Jedis other) throws Exception {
    same("RPUSH", jedis.rpush("l", "a", "b", "c"), 3L);
    same("LRANGE", jedis.lrange("l", 0, -1), List.of("a", "b", "c"));
    same("LMOVE", jedis.lmove("l", "l2", ListDirection.LEFT, ListDirection.RIGHT), "a");
    same("BLPOP", jedis.blpop(1, "l3", "l2"), List.of("l2", "a"));
    CompletableFuture<List<String>> waiting = CompletableFuture.supplyAsync(() -> other.blpop(10, "waited"));
    while (!jedis.info("clients").contains("blocked_clients:1\r\n")) Thread.sleep(5);
    same("RPUSH", jedis.rpush("waited", "x"), 1L);
    same("BLPOP that waited", waiting.get(10, TimeUnit.SECONDS), List.of("waited", "x"));
    same("SADD", jedis.sadd("t1", "a", "b"), 2L);
    same("SADD", jedis.sadd("t2", "b", "c"), 2L);
    same("SMEMBERS", jedis.smembers("t1"), Set.of("a", "b"));
    same("SINTER", jedis.sinter("t1", "t2"), Set.of("b"));
    same("SISMEMBER", jedis.sismember("t1", "a"), true);
    same("SMISMEMBER", jedis.smismember("t1", "a", "x"), List.of(true, false));
  }

  private static void sortedSetsAndGeo(Jedis jedis) {
    same("ZADD", jedis.zadd("z", Map.of("a", 1.0, "b", 2.5, "c", Double.POSITIVE_INFINITY)), 3L);
    same("ZSCORE", jedis.zscore("z", "b"), 2.5);
    same("ZSCORE", jedis.zscore("z", "absent"), null);
    List<Tuple> all = List.of(new Tuple("a", 1.0), new Tuple("b", 2.5), new Tuple("c", Double.POSITIVE_INFINITY));
    same("ZRANGE", jedis.zrangeWithScores("z", 0, -1), all);
    same("ZPOPMAX", jedis.zpopmax("z"), all.get(2));
    same("BZPOPMIN", jedis.bzpopmin(1, "z").getValue(), all.get(0));
    same("GEOADD", jedis.geoadd("g", 13.361389, 38.115556, "Palermo"), 1L);
    same("GEOADD", jedis.geoadd("g", 15.087269, 37.502669, "Catania"), 1L);
    near("GEODIST", jedis.geodist("g", "Palermo", "Catania", GeoUnit.KM), 166.2742);
    near("GEOPOS", jedis.geopos("g", "Palermo").get(0).getLongitude(), 13.361389);
    Set<String> found = new HashSet<>();
    jedis.geosearch("g", "Palermo", 200, GeoUnit.KM).forEach((place) -> found.add(place.getMemberByString()));
    same("GEOSEARCH", found, Set.of("Palermo", "Catania"));
  }

  private static void bitsAndCounts(Jedis jedis) {
    same("SETBIT", jedis.setbit("b", 7, true), false);
    same("BITCOUNT", jedis.bitcount("b"), 1L);
    same("BITPOS", jedis.bitpos("b", true), 7L);
    same("BITFIELD", jedis.bitfield("bf", "SET", "u8", "0", "200", "GET", "u4", "0"), List.of(0L, 12L));
    same("PFADD", jedis.pfadd("p", "a", "b", "c"), 1L);
    same("PFCOUNT", jedis.pfcount("p"), 3L);
    same("PFMERGE", jedis.pfmerge("p2", "p"), "OK");
  }

  private static void streams(Jedis jedis) {
    StreamEntryID first = new StreamEntryID("1-1");
    same("XADD", jedis.xadd("x", first, Map.of("f", "v")), first);
    same("XADD", jedis.xadd("x", new StreamEntryID("1-2"), Map.of("f", "w")), new StreamEntryID("1-2"));
    var entries = jedis.xrange("x", "-", "+");
    same("XRANGE", entries.size(), 2);
    same("XRANGE", entries.get(0).getID() + " " + entries.get(0).getFields(), "1-1 {f=v}");
    same("XGROUP", jedis.xgroupCreate("x", "group", new StreamEntryID("0-0"), false), "OK");
    var unread = Map.of("x", StreamEntryID.XREADGROUP_UNDELIVERED_ENTRY);
    var delivered = jedis.xreadGroup("group", "me", XReadGroupParams.xReadGroupParams().count(1), unread);
    same("XREADGROUP", delivered.get(0).getKey(), "x");
    same("XREADGROUP", delivered.get(0).getValue().get(0).getID(), first);
    same("XPENDING", jedis.xpending("x", "group").getTotal(), 1L);
    same("XACK", jedis.xack("x", "group", first), 1L);
    same("XINFO GROUPS", jedis.xinfoGroups("x").get(0).getName(), "group");
  }

  private static void documentsAndScripts(Jedis jedis) {
    String json = "local r = redis.call('JSON.SET', KEYS[1], '$', ARGV[1]) return redis.call('JSON.GET', KEYS[1], '$.a.b')";
    same("JSON.GET", jedis.eval(json, 1, "j", "{\"a\":{\"b\":[1,2]}}"), "[[1,2]]");
    same("EVAL", jedis.eval("return {KEYS[1], ARGV[1], 3}", 1, "k", "a"), List.of("k", "a", 3L));
    same("EVALSHA", jedis.evalsha(jedis.scriptLoad("return #ARGV"), 0, "a", "b"), 2L);
  }

  private static void messages(Jedis jedis, Jedis other) throws Exception {
    CountDownLatch subscribed = new CountDownLatch(1);
    CompletableFuture<String> heard = new CompletableFuture<>();
    JedisPubSub listener =
        new JedisPubSub() {
          @Override
          public void onSubscribe(String channel, int count) {
            subscribed.countDown();
          }

          @Override
          public void onMessage(String channel, String message) {
            heard.complete(channel + ": " + message);
            unsubscribe();
          }
        };
    Thread thread = new Thread(() -> other.subscribe(listener, "channel"));
    thread.start();
    same("SUBSCRIBE", subscribed.await(10, TimeUnit.SECONDS), true);
    same("PUBLISH", jedis.publish("channel", "hello"), 1L);
    same("message", heard.get(10, TimeUnit.SECONDS), "channel: hello");
    thread.join(10_000);
  }

  private static void transactions(Jedis jedis, Jedis other) {
    Transaction transaction = jedis.multi();
    transaction.set("m", "41");
    Response<Long> incremented = transaction.incr("m");
    transaction.hset("mh", "f", "v");
    Response<Map<String, String>> hash = transaction.hgetAll("mh");
    transaction.exec();
    same("INCR", incremented.get(), 42L);
    same("HGETALL", hash.get(), Map.of("f", "v"));
    jedis.watch("m");
    same("SET", other.set("m", "0"), "OK");
    Transaction late = jedis.multi();
    late.incr("m");
    same("EXEC", late.exec(), null);
  }

  private static void scans(Jedis jedis) {
    for (int i = 0; i < 300; i++) jedis.set("scan:" + i, "v");
    Set<String> seen = new HashSet<>();
    String cursor = ScanParams.SCAN_POINTER_START;
    do {
      ScanResult<String> result = jedis.scan(cursor, new ScanParams().match("scan:*").count(50));
      seen.addAll(result.getResult());
      cursor = result.getCursor();
    } while (!cursor.equals(ScanParams.SCAN_POINTER_START));
    same("SCAN", seen.size(), 300);
  }

  private interface Section {
    void run() throws Exception;
  }

  private static void play(String name, Section section) throws Exception {
    section.run();
    System.out.println(name);
  }

  public static void main(String[] arguments) throws Exception {
    HostAndPort address = new HostAndPort(arguments[0], Integer.parseInt(arguments[1]));
    RedisProtocol protocol = arguments[2].equals("3") ? RedisProtocol.RESP3 : RedisProtocol.RESP2;
    DefaultJedisClientConfig config =
        DefaultJedisClientConfig.builder().protocol(protocol).socketTimeoutMillis(20_000).build();
    try (Jedis jedis = new Jedis(address, config);
        Jedis other = new Jedis(address, config)) {
      play("basics", () -> basics(jedis));
      play("lists and sets", () -> listsAndSets(jedis, other));
      play("sorted sets and geo", () -> sortedSetsAndGeo(jedis));
      play("bits and counts", () -> bitsAndCounts(jedis));
      play("streams", () -> streams(jedis));
      play("documents and scripts", () -> documentsAndScripts(jedis));
      play("transactions", () -> transactions(jedis, other));
      play("messages", () -> messages(jedis, other));
      play("scans", () -> scans(jedis));
    }
  }
}
