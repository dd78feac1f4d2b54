// Pekko's side of the protocol: one JSON command a line on stdin, one JSON answer a line on stdout; and its settings.

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.pekko.actor.typed.ActorSystem;

public final class Contender {
  /**
   * One thread beats two on two cores, and a long turn spares the change from one actor to the next; the mailbox is
   * typed Pekko's own, the fastest it has. The wheel holds a deadline of seconds in one turn of a millisecond's ticks.
   */
  static final String SETTINGS = """
      pekko { loglevel = OFF, stdout-loglevel = OFF, use-slf4j = off, log-dead-letters = off
        log-dead-letters-during-shutdown = off, scheduler { tick-duration = %s, ticks-per-wheel = %s }
        actor.default-dispatcher { executor = %s, throughput = %s
          thread-pool-executor.fixed-pool-size = %s
          fork-join-executor { parallelism-min = %s, parallelism-max = %s, parallelism-factor = 1 } } }
      in-order { type = Dispatcher, executor = thread-pool-executor, throughput = 64
        thread-pool-executor.fixed-pool-size = 1 }""";

  private final Workload workload;
  private final String settings;

  private Contender() {
    String executor = System.getProperty("executor", "fork-join-executor");
    String throughput = System.getProperty("throughput", "1024");
    String threads = System.getProperty("threads", "1");
    settings = executor + " of " + threads + ", throughput " + throughput
        + "; timer: thread-pool-executor of 1";
    Config config = ConfigFactory.parseString(SETTINGS.formatted(
        System.getProperty("tick", "1ms"), System.getProperty("wheel", "8192"),
        executor, throughput, threads, threads, threads));
    Config whole = config.withFallback(ConfigFactory.load());
    workload = new Workload(ActorSystem.create(Workload.stage(), "contender", whole));
  }

  private void run(String name, Map<String, Long> command, Map<String, Object> answer) throws Exception {
    long count = command.getOrDefault("count", 0L);
    switch (name) {
      case "hello" -> {
        String pekko = ConfigFactory.load().getString("pekko.version");
        answer.put("version", "Pekko " + pekko + ", Java " + Runtime.version().feature());
        answer.put("settings", settings);
      }
      case "ping-pong" -> workload.pingPong(count, answer);
      case "tells" -> workload.tells(count, 0, answer);
      case "backlog" -> workload.tells(count, command.get("workMicros") * 1000, answer);
      case "fan-out" -> workload.fanOut(command.get("actors").intValue(), command.get("rounds"), answer);
      case "asks" -> workload.asks(count, command.get("inFlight").intValue(), command.get("timeoutMs"), answer);
      case "spawns", "idle" -> workload.spawns((int) count, name.equals("idle"), answer);
      case "timer" -> workload.timer(command.get("periodMs"), command.get("durationMs"), command.get("burst"), answer);
      case "restarts" -> workload.restarts(count, answer);
      default -> answer.put("error", "no case " + name);
    }
  }

  public static void main(String[] args) throws IOException {
    Contender contender = new Contender();
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
    Pattern member = Pattern.compile("\"([A-Za-z]+)\":(?:\"([^\"]*)\"|(-?[0-9]+))");
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      Map<String, Object> answer = new LinkedHashMap<>();
      Map<String, Long> command = new LinkedHashMap<>();
      String name = "";
      Matcher members = member.matcher(line);
      while (members.find()) {
        if (members.group(2) != null) name = members.group(2);
        else command.put(members.group(1), Long.valueOf(members.group(3)));
      }
      answer.put("case", name);
      try {
        contender.run(name, command, answer);
      } catch (Throwable error) {
        answer.put("error", error.toString());
      }
      StringBuilder json = new StringBuilder();
      answer.forEach((key, value) ->
          json.append(json.isEmpty() ? "{" : ",").append('"').append(key).append("\":").append(literal(value)));
      System.out.println(json.append('}'));
    }
    System.exit(0);
  }

  private static String literal(Object value) {
    if (value instanceof Number) return value.toString();
    return '"' + value.toString().replaceAll("[\"\\\\\\p{Cntrl}]", "'") + '"';
  }
}
