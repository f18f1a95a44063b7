import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.commons.pool2.impl.GenericObjectPoolConfig;
import org.json.JSONArray;
import org.json.JSONObject;
import redis.clients.jedis.ClusterCommandObjects;
import redis.clients.jedis.Connection;
import redis.clients.jedis.DefaultJedisClientConfig;
import redis.clients.jedis.HostAndPort;
import redis.clients.jedis.RedisClusterClient;
import redis.clients.jedis.RedisProtocol;

/**
 * Jedis with a cluster client: one thread for each lane, one client object for all.
 *
 * <p>The lines are those of ../README.md; the configuration is the last argument. System.nanoTime is CLOCK_MONOTONIC on
 * Linux, which all processes of the machine share.
 */
public final class Program {
  private static final long FINISH_WITHIN_MS = 1000;
  private static final PrintStream OUTPUT = new PrintStream(System.out, false);
  private static final AtomicLong IDS = new AtomicLong();
  private static volatile boolean over = false;

  private static void tell(JSONObject line) {
    synchronized (OUTPUT) {
      OUTPUT.println(line);
      OUTPUT.flush();
    }
  }

  private static RedisClusterClient open(JSONObject config) {
    Set<HostAndPort> nodes = new HashSet<>();
    JSONArray masters = config.getJSONArray("masters");
    for (int i = 0; i < masters.length(); i++) nodes.add(HostAndPort.from(masters.getString(i)));
    DefaultJedisClientConfig.Builder client = DefaultJedisClientConfig.builder();
    if (readsReplicas(config)) client.readOnlyForRedisClusterReplicas();
    var builder = RedisClusterClient.builder().nodes(nodes);
    if (config.getString("settings").equals("recommended")) { // Why these: docs/operating/clients.md.
      client.connectionTimeoutMillis(500).socketTimeoutMillis(3000);
      builder.maxAttempts(60).maxTotalRetriesDuration(Duration.ofSeconds(6));
      GenericObjectPoolConfig<Connection> pool = new GenericObjectPoolConfig<>();
      pool.setMaxTotal(64);
      pool.setMaxIdle(64);
      pool.setMaxWait(Duration.ofSeconds(3));
      builder.poolConfig(pool);
    }
    return builder.clientConfig(client.build()).build();
  }

  private static boolean readsReplicas(JSONObject config) {
    return config.getString("reads").equals("replicas");
  }

  /** One lane: one request after another. */
  private record Lane(RedisClusterClient client, JSONObject lane, double paceMs, boolean readsReplicas)
      implements Runnable {
    private static final ClusterCommandObjects COMMANDS = new ClusterCommandObjects(RedisProtocol.RESP3);

    private String get(String key) {
      return readsReplicas ? client.executeCommandToReplica(COMMANDS.get(key)) : client.get(key);
    }

    /** Plays one operation and says whether it succeeded; without a value it is a read. */
    private boolean operate(String key, String value) {
      long id = IDS.getAndIncrement();
      JSONObject begin = new JSONObject().put("begin", id).put("lane", lane.getString("name"));
      begin.put("op", value == null ? "read" : "write").put("key", key);
      if (value != null) begin.put("value", value);
      tell(begin.put("atNs", System.nanoTime()));
      JSONObject end = new JSONObject().put("end", id);
      boolean done = false;
      try {
        if (value == null) {
          String found = get(key);
          end.put("value", found == null ? JSONObject.NULL : found);
          done = true;
        } else {
          String reply = client.set(key, value);
          done = reply.equals("OK");
          if (!done) end.put("error", "unexpected reply " + reply);
        }
      } catch (RuntimeException error) {
        end.put("error", textOf(error));
      }
      tell(end.put("atNs", System.nanoTime()));
      return done;
    }

    private static String textOf(Throwable error) {
      String cause = error.getCause() == null ? "" : " (" + textOf(error.getCause()) + ")";
      return error.getClass().getSimpleName() + ": " + error.getMessage() + cause;
    }

    @Override
    public void run() {
      String name = lane.getString("name");
      JSONArray reads = lane.getJSONArray("reads");
      String fresh = null;
      for (int n = 0; !over; n++) {
        operate(lane.getString("register"), name + "-" + n + "-r");
        if (reads.length() > 0) operate(reads.getString(n % reads.length()), null);
        String key = lane.getString("tag") + name + "-" + n;
        boolean written = operate(key, name + "-" + n + "-f");
        if (fresh != null) operate(fresh, null);
        if (written) fresh = key;
        try {
          Thread.sleep((long) (paceMs / 2 + ThreadLocalRandom.current().nextDouble() * paceMs));
        } catch (InterruptedException end) {
          return;
        }
      }
    }
  }

  public static void main(String[] args) throws IOException, InterruptedException {
    JSONObject config = new JSONObject(args[args.length - 1]);
    RedisClusterClient client = open(config);
    Properties jedis = new Properties();
    try (InputStream file = Connection.class.getResourceAsStream("pom.properties")) {
      if (file != null) jedis.load(file);
    }
    String version = jedis.getProperty("version");
    JSONObject about = new JSONObject().put("library", "Jedis").put("version", version == null ? "" : version);
    tell(new JSONObject().put("hello", about).put("atNs", System.nanoTime()));
    List<Thread> lanes = new ArrayList<>();
    for (Object lane : config.getJSONArray("lanes")) {
      Thread thread = new Thread(new Lane(client, (JSONObject) lane, config.getDouble("paceMs"), readsReplicas(config)));
      thread.setDaemon(true);
      thread.start();
      lanes.add(thread);
    }
    while (System.in.read() >= 0) {
      // Only its end means anything.
    }
    over = true;
    long deadline = System.nanoTime() + FINISH_WITHIN_MS * 1_000_000;
    for (Thread lane : lanes) {
      lane.join(Math.max(1, (deadline - System.nanoTime()) / 1_000_000));
    }
    synchronized (OUTPUT) { // what is still open prints nothing more
      OUTPUT.flush();
      Runtime.getRuntime().halt(0);
    }
  }
}
