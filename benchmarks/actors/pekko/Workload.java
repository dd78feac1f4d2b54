// The workload in Pekko's typed actors. Messages are the smallest that are natural here: a number where nobody answers,
// elsewhere a record with the number and the one to answer.

import java.time.Duration;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BiConsumer;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.DispatcherSelector;
import org.apache.pekko.actor.typed.SupervisorStrategy;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.AskPattern;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;

final class Workload {
  record Message(long n, ActorRef<Long> replyTo) {}

  /** What a stage (one actor that may spawn others) is told to do inside its own context. */
  interface Act { void on(ActorContext<Act> context) throws Exception; }

  static Behavior<Act> stage() {
    return Behaviors.receive((context, act) -> {
      act.on(context);
      return Behaviors.same();
    }, (context, signal) -> Behaviors.same());
  }

  static final Behavior<Message> ECHO = Behaviors.receiveMessage(message -> {
    message.replyTo.tell(message.n);
    return Behaviors.same();
  });

  /** Counts and sums what it is told, and answers the whole to what it was made with once `expected` have come. */
  static final class Counter extends AbstractBehavior<Long> {
    final long expected, workNanos;
    final CompletableFuture<long[]> done;
    long count, sum, misplaced;

    Counter(ActorContext<Long> context, long expected, long workNanos, CompletableFuture<long[]> done) {
      super(context);
      this.expected = expected;
      this.workNanos = workNanos;
      this.done = done;
    }

    @Override public Receive<Long> createReceive() {
      return newReceiveBuilder().onAnyMessage(this::add).build();
    }

    Behavior<Long> add(long n) {
      if (workNanos > 0) spin(System.nanoTime() + workNanos);
      sum += n;
      if (++count != n) misplaced++;
      if (count == expected) done.complete(new long[] {count, sum, misplaced});
      return this;
    }
  }

  private final ActorSystem<Act> system;

  Workload(ActorSystem<Act> system) {
    this.system = system;
  }

  /** Runs something inside a fresh actor and waits for its end. */
  <T> T inActor(BiConsumer<ActorContext<Act>, CompletableFuture<T>> work) {
    CompletableFuture<T> done = new CompletableFuture<>();
    system.tell(context -> {
      ActorRef<Act> own = context.spawnAnonymous(stage());
      done.whenComplete((result, error) -> system.tell(outer -> outer.stop(own)));
      own.tell(inner -> {
        try {
          work.accept(inner, done);
        } catch (RuntimeException error) {
          done.completeExceptionally(error);
        }
      });
    });
    return done.join();
  }

  static void put(Map<String, Object> answer, long start, long count, long check) {
    answer.put("seconds", (System.nanoTime() - start) / 1e9);
    answer.put("count", count);
    answer.put("check", check);
  }

  void pingPong(long count, Map<String, Object> answer) {
    long start = System.nanoTime();
    long sum = this.<Long>inActor((context, done) -> {
      ActorRef<Message> pong = context.spawnAnonymous(ECHO);
      context.spawnAnonymous(Behaviors.<Long>setup(own -> {
        long[] total = {0};
        pong.tell(new Message(1, own.getSelf()));
        return Behaviors.receiveMessage(n -> {
          total[0] += n;
          if (n < count) pong.tell(new Message(n + 1, own.getSelf()));
          else done.complete(total[0]);
          return Behaviors.same();
        });
      }));
    });
    put(answer, start, count, sum);
  }

  void tells(long count, long workNanos, Map<String, Object> answer) {
    long start = System.nanoTime();
    long[] got = this.<long[]>inActor((context, done) -> {
      ActorRef<Long> counter = context.spawnAnonymous(
          Behaviors.<Long>setup(own -> new Counter(own, count, workNanos, done)));
      for (long n = 1; n <= count; n++) counter.tell(n);
    });
    put(answer, start, got[0], got[1]);
    answer.put("misplaced", got[2]);
  }

  void fanOut(int width, long rounds, Map<String, Object> answer) {
    long[] start = {0};
    long sum = this.<Long>inActor((context, done) -> {
      Object[] actors = spawnMany(context, width);
      start[0] = System.nanoTime();
      context.spawnAnonymous(Behaviors.<Long>setup(own -> {
        long[] state = {1, 0, 0};
        sendAll(actors, 1, own.getSelf());
        return Behaviors.receiveMessage(n -> {
          state[1] += n;
          if (++state[2] == width) {
            state[2] = 0;
            if (++state[0] > rounds) done.complete(state[1]);
            else sendAll(actors, state[0], own.getSelf());
          }
          return Behaviors.same();
        });
      }));
    });
    put(answer, start[0], 2 * width * rounds, sum);
  }

  static void spin(long untilNanos) {
    while (System.nanoTime() < untilNanos) Thread.onSpinWait();
  }

  static Object[] spawnMany(ActorContext<Act> context, int count) {
    Object[] actors = new Object[count];
    for (int i = 0; i < count; i++) actors[i] = context.spawnAnonymous(ECHO);
    return actors;
  }

  @SuppressWarnings("unchecked")
  static void sendAll(Object[] actors, long n, ActorRef<Long> replyTo) {
    Message message = new Message(n, replyTo);
    for (Object actor : actors) ((ActorRef<Message>) actor).tell(message);
  }

  void asks(long count, int inFlight, long timeoutMs, Map<String, Object> answer) throws Exception {
    CompletableFuture<ActorRef<Message>> spawned = new CompletableFuture<>();
    system.tell(context -> spawned.complete(context.spawnAnonymous(ECHO)));
    ActorRef<Message> echo = spawned.join();
    AtomicLong sum = new AtomicLong();
    CountDownLatch left = new CountDownLatch(inFlight);
    Duration timeout = Duration.ofMillis(timeoutMs);
    long start = System.nanoTime();
    for (int lane = 1; lane <= inFlight; lane++) ask(echo, lane, inFlight, count, timeout, sum, left);
    left.await();
    put(answer, start, count, sum.get());
    system.tell(context -> context.stop(echo));
  }

  void ask(
      ActorRef<Message> echo, long n, int step, long count, Duration timeout, AtomicLong sum, CountDownLatch left) {
    if (n > count) {
      left.countDown();
      return;
    }
    AskPattern.<Message, Long>ask(echo, replyTo -> new Message(n, replyTo), timeout, system.scheduler())
        // Where the reply is: with two cores, the plain `whenComplete` of this stage starts a thread for each answer.
        .whenCompleteAsync((reply, error) -> {
          if (reply != null) sum.addAndGet(reply);
          ask(echo, n + step, step, count, timeout, sum, left);
        }, Runnable::run);
  }

  void spawns(int count, boolean measured, Map<String, Object> answer) {
    long before = measured ? heapBytes() : 0;
    long[] start = {0};
    double[] seconds = {0};
    Object[][] kept = {null};
    long sum = this.<Long>inActor((context, done) -> {
      start[0] = System.nanoTime();
      Object[] actors = kept[0] = spawnMany(context, count);
      seconds[0] = (System.nanoTime() - start[0]) / 1e9;
      if (measured) answer.put("bytesEach", (heapBytes() - before) / (double) count);
      long[] state = {0, 0};
      ActorRef<Long> probe = context.spawnAnonymous(Behaviors.receiveMessage(n -> {
        state[1] += n;
        if (++state[0] == count) done.complete(state[1]);
        return Behaviors.same();
      }));
      for (int i = 0; i < count; i++) sendAll(new Object[] {actors[i]}, i + 1, probe);
    });
    put(answer, start[0], kept[0].length, sum);
    answer.put("seconds", seconds[0]);
  }

  static long heapBytes() {
    for (int i = 0; i < 3; i++) System.gc();
    return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
  }

  void timer(long periodMs, long durationMs, long burst, Map<String, Object> answer) {
    long start = System.nanoTime(), until = start + durationMs * 1_000_000;
    double[] late = new double[(int) (2 * durationMs / periodMs) + 16];
    int[] ticks = {0};
    // A fork-join pool of one thread serves its own before what comes from outside: the tick would never have its turn.
    DispatcherSelector inOrder = DispatcherSelector.fromConfig("in-order");
    long[] got = this.<long[]>inActor((context, done) -> {
      context.spawnAnonymous(Behaviors.<String>withTimers(timers -> {
        timers.startTimerAtFixedRate("tick", Duration.ofMillis(periodMs));
        long[] last = {System.nanoTime()};
        return Behaviors.receiveMessage(tick -> {
          long now = System.nanoTime();
          if (ticks[0] < late.length) late[ticks[0]++] = Math.max(0, (now - last[0]) / 1e6 - periodMs);
          last[0] = now;
          return Behaviors.same();
        });
      }), inOrder);
      // A burst, then a wait until it was received: a flood that keeps the thread busy without piling up.
      context.spawnAnonymous(Behaviors.<Long>setup(own -> {
        long[] sent = {0, 0};
        ActorRef<Message> counter = own.spawnAnonymous(Behaviors.receiveMessage(message -> {
          sent[1] += message.n;
          if (message.replyTo != null) message.replyTo.tell(message.n);
          return Behaviors.same();
        }), inOrder);
        own.getSelf().tell(0L);
        return Behaviors.receiveMessage(received -> {
          if (System.nanoTime() >= until) done.complete(new long[] {received, sent[1], sent[0]});
          else {
            for (int i = 1; i < burst; i++) counter.tell(new Message(++sent[0], null));
            counter.tell(new Message(++sent[0], own.getSelf()));
          }
          return Behaviors.same();
        });
      }), inOrder);
    });
    put(answer, start, got[0], got[1]);
    answer.put("sent", got[2]);
    double[] sorted = Arrays.copyOf(late, ticks[0]);
    Arrays.sort(sorted);
    answer.put("ticks", (long) ticks[0]);
    if (ticks[0] == 0) return;
    answer.put("p99Ms", sorted[Math.max(0, (int) Math.ceil(ticks[0] * 0.99) - 1)]);
    answer.put("worstMs", sorted[ticks[0] - 1]);
  }

  void restarts(long count, Map<String, Object> answer) {
    long before = heapBytes();
    long[] incarnations = {0};
    long start = System.nanoTime();
    long sum = this.<Long>inActor((context, done) -> {
      ActorRef<Message> crasher = context.spawnAnonymous(Behaviors.supervise(Behaviors.<Message>setup(own -> {
        incarnations[0]++;
        return Behaviors.receiveMessage(message -> {
          if (message.replyTo == null) throw new IllegalStateException("crash " + message.n);
          message.replyTo.tell(incarnations[0]);
          return Behaviors.same();
        });
      })).onFailure(IllegalStateException.class, SupervisorStrategy.restart().withLoggingEnabled(false)));
      context.spawnAnonymous(Behaviors.<Long>setup(own -> {
        long[] state = {0, 0};
        own.getSelf().tell(0L);
        return Behaviors.receiveMessage(incarnation -> {
          state[1] += incarnation;
          if (state[0]++ == count) done.complete(state[1]);
          else {
            crasher.tell(new Message(state[0], null));
            crasher.tell(new Message(state[0], own.getSelf()));
          }
          return Behaviors.same();
        });
      }));
    });
    put(answer, start, incarnations[0] - 1, sum);
    answer.put("bytes", heapBytes() - before);
  }
}
