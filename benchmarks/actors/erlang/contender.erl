%% The workload in plain Erlang/OTP: processes, gen_server calls, a supervisor. One JSON command a line on stdin, one
%% JSON answer a line on stdout. Messages are the smallest that are natural here: an integer, or a pair with the sender.
-module(contender).
-export([main/0, echo/0, counter/2, crasher/2, init/1, handle_call/3, handle_cast/2]).
-behaviour(gen_server).

main() ->
    logger:set_primary_config(level, none),
    process_flag(trap_exit, true),
    loop().

loop() ->
    case io:get_line("") of
        eof -> halt(0);
        Line ->
            Command = parse(Line),
            Name = maps:get('case', Command),
            Answer = try on_its_own(fun() -> run(Name, Command) end)
                     catch _:Reason -> #{error => lists:flatten(io_lib:format("~p", [Reason]))} end,
            print(Answer#{'case' => Name}),
            loop()
    end.

%% Each case runs in a fresh process, as a program would: no garbage and no stale mail of the one before.
on_its_own(Work) ->
    {Pid, Monitor} = spawn_monitor(fun() -> exit({answer, Work()}) end),
    receive
        {'DOWN', Monitor, process, Pid, {answer, Answer}} -> Answer;
        {'DOWN', Monitor, process, Pid, Reason} -> error(Reason)
    end.

run("hello", _) ->
    {ok, Version} = file:read_file(filename:join([code:root_dir(), "releases",
        erlang:system_info(otp_release), "OTP_VERSION"])),
    #{version => "Erlang/OTP " ++ string:trim(binary_to_list(Version)),
      settings => io_lib:format("~w scheduler, ~w", [erlang:system_info(schedulers), erlang:system_info(emu_flavor)])};
run("ping-pong", #{count := Count}) ->
    Pong = spawn(fun echo/0),
    {Seconds, Sum} = timed(fun() -> on_its_own(fun() -> ping(Pong, 1, Count, 0) end) end),
    exit(Pong, kill),
    #{seconds => Seconds, count => Count, check => Sum};
run("tells", #{count := Count}) ->
    Self = self(),
    {Seconds, Sum} = timed(fun() ->
        Receiver = spawn(fun() -> Self ! {sum, collect(Count, 0)} end),
        spawn(fun() -> flood(Receiver, 1, Count) end),
        receive {sum, S} -> S end
    end),
    #{seconds => Seconds, count => Count, check => Sum};
run("fan-out", #{actors := Width, rounds := Rounds}) ->
    Actors = [spawn(fun echo/0) || _ <- lists:seq(1, Width)],
    {Seconds, Sum} = timed(fun() -> fan_out(Actors, Width, 1, Rounds, 0) end),
    [exit(Actor, kill) || Actor <- Actors],
    #{seconds => Seconds, count => 2 * Width * Rounds, check => Sum};
run("asks", #{count := Count, inFlight := InFlight, timeoutMs := TimeoutMs}) ->
    {ok, Server} = gen_server:start(?MODULE, [], []),
    Self = self(),
    {Seconds, Sum} = timed(fun() ->
        [spawn(fun() -> Self ! {sum, ask(Server, Lane, InFlight, Count, TimeoutMs, 0)} end)
            || Lane <- lists:seq(1, InFlight)],
        lists:sum([receive {sum, S} -> S end || _ <- lists:seq(1, InFlight)])
    end),
    exit(Server, kill),
    #{seconds => Seconds, count => Count, check => Sum};
run("spawns", #{count := Count}) ->
    {Seconds, Actors} = timed(fun() -> spawn_many(Count, []) end),
    Sum = probe(Actors, 1, 0),
    [exit(Actor, kill) || Actor <- Actors],
    #{seconds => Seconds, count => Count, check => Sum};
run("idle", #{count := Count}) ->
    Before = memory(),
    {Seconds, Actors} = timed(fun() -> spawn_many(Count, []) end),
    After = memory(),
    Sum = probe(Actors, 1, 0),
    [exit(Actor, kill) || Actor <- Actors],
    #{seconds => Seconds, count => Count, check => Sum, bytesEach => (After - Before) / Count};
run("timer", #{periodMs := PeriodMs, durationMs := DurationMs, burst := Burst}) ->
    Self = self(),
    Counter = spawn(?MODULE, counter, [0, 0]),
    Until = milliseconds() + DurationMs,
    spawn(fun() -> Self ! {sent, flood_until(Counter, Until, Burst, 0)} end),
    {Seconds, Late} = timed(fun() -> ticks(milliseconds() + PeriodMs, PeriodMs, Until, now_us(), []) end),
    Sent = receive {sent, N} -> N end,
    {Count, Sum} = total(Counter),
    exit(Counter, kill),
    Sorted = lists:sort(Late),
    Ticks = length(Late),
    #{seconds => Seconds, count => Count, check => Sum, sent => Sent, ticks => Ticks,
      p99Ms => lists:nth(max(1, ceil(Ticks * 0.99)), Sorted) / 1000, worstMs => lists:last(Sorted) / 1000};
run("restarts", #{count := Count}) ->
    Incarnations = counters:new(1, []),
    {ok, Supervisor} = supervisor:start_link(?MODULE, {supervise, Incarnations, self()}),
    Before = memory(),
    {Seconds, Sum} = timed(fun() -> crash(receive {up, First} -> First end, Count, Incarnations, 0) end),
    After = memory(),
    unlink(Supervisor),
    exit(Supervisor, kill),
    #{seconds => Seconds, count => counters:get(Incarnations, 1) - 1, check => Sum, bytes => After - Before};
run("backlog", #{count := Count, workMicros := Micros}) ->
    Self = self(),
    {Seconds, {Sum, Misplaced}} = timed(fun() ->
        Receiver = spawn(fun() -> Self ! {done, work(1, Count, Micros * 1000, 0, 0)} end),
        spawn(fun() -> flood(Receiver, 1, Count) end),
        receive {done, Result} -> Result end
    end),
    #{seconds => Seconds, count => Count, check => Sum, misplaced => Misplaced};
run(Other, _) ->
    #{error => "no case " ++ Other}.

%% The actors.

echo() ->
    receive {From, N} -> From ! N, echo() end.

counter(Count, Sum) ->
    receive
        N when is_integer(N) -> counter(Count + 1, Sum + N);
        {total, From} -> From ! {Count, Sum}, counter(Count, Sum)
    end.

crasher(Incarnations, Owner) ->
    counters:add(Incarnations, 1, 1),
    proc_lib:init_ack({ok, self()}),
    Owner ! {up, self()},
    receive {crash, N} -> error({crash, N}) end.

init({supervise, Incarnations, Owner}) ->
    Child = #{id => crasher, start => {proc_lib, start_link, [?MODULE, crasher, [Incarnations, Owner]]}},
    {ok, {#{strategy => one_for_one, intensity => 1000000000, period => 1}, [Child]}};
init([]) -> {ok, none}.

handle_call(N, _From, State) -> {reply, N, State}.
handle_cast(_, State) -> {noreply, State}.

%% What drives them.

ping(_, N, Count, Sum) when N > Count -> Sum;
ping(Pong, N, Count, Sum) ->
    Pong ! {self(), N},
    receive Reply -> ping(Pong, N + 1, Count, Sum + Reply) end.

flood(_, N, Count) when N > Count -> ok;
flood(Receiver, N, Count) -> Receiver ! N, flood(Receiver, N + 1, Count).

collect(0, Sum) -> Sum;
collect(Left, Sum) -> receive N -> collect(Left - 1, Sum + N) end.

work(Next, Count, _, Sum, Misplaced) when Next > Count -> {Sum, Misplaced};
work(Next, Count, Nanos, Sum, Misplaced) ->
    receive N ->
        spin(erlang:monotonic_time(nanosecond) + Nanos),
        work(Next + 1, Count, Nanos, Sum + N, if N =:= Next -> Misplaced; true -> Misplaced + 1 end)
    end.

spin(Until) ->
    case erlang:monotonic_time(nanosecond) >= Until of true -> ok; false -> spin(Until) end.

fan_out(_, _, Round, Rounds, Sum) when Round > Rounds -> Sum;
fan_out(Actors, Width, Round, Rounds, Sum) ->
    send_all(Actors, self(), Round),
    fan_out(Actors, Width, Round + 1, Rounds, collect(Width, Sum)).

send_all([], _, _) -> ok;
send_all([Actor | Rest], Self, N) -> Actor ! {Self, N}, send_all(Rest, Self, N).

ask(_, N, _, Count, _, Sum) when N > Count -> Sum;
ask(Server, N, Step, Count, TimeoutMs, Sum) ->
    ask(Server, N + Step, Step, Count, TimeoutMs, Sum + gen_server:call(Server, N, TimeoutMs)).

spawn_many(0, Actors) -> Actors;
spawn_many(Left, Actors) -> spawn_many(Left - 1, [spawn(?MODULE, echo, []) | Actors]).

probe([], _, Sum) -> Sum;
probe([Actor | Rest], N, Sum) ->
    Actor ! {self(), N},
    receive Reply -> probe(Rest, N + 1, Sum + Reply) end.

%% A burst, then a wait until it was received: a flood that keeps the scheduler busy without piling up.
flood_until(Counter, Until, Burst, Sent) ->
    case milliseconds() >= Until of
        true -> Sent;
        false ->
            flood(Counter, Sent + 1, Sent + Burst),
            {Received, _} = total(Counter),
            Received = Sent + Burst,
            flood_until(Counter, Until, Burst, Received)
    end.

total(Counter) ->
    Counter ! {total, self()},
    receive {Count, Sum} -> {Count, Sum} end.

ticks(Due, _, Until, _, Late) when Due > Until -> Late;
ticks(Due, PeriodMs, Until, Last, Late) ->
    erlang:send_after(Due, self(), tick, [{abs, true}]),
    receive tick -> ok end,
    Now = now_us(),
    ticks(Due + PeriodMs, PeriodMs, Until, Now, [max(0, Now - Last - PeriodMs * 1000) | Late]).

crash(_, 0, _, Sum) -> Sum;
crash(Pid, Left, Incarnations, Sum) ->
    Pid ! {crash, Left},
    receive {up, Next} -> crash(Next, Left - 1, Incarnations, Sum + counters:get(Incarnations, 1)) end.

%% Clock, memory, JSON of one flat object.

timed(Work) ->
    Start = erlang:monotonic_time(nanosecond),
    Result = Work(),
    {(erlang:monotonic_time(nanosecond) - Start) / 1.0e9, Result}.

milliseconds() -> erlang:monotonic_time(millisecond).
now_us() -> erlang:monotonic_time(microsecond).

memory() ->
    [erlang:garbage_collect(Pid) || Pid <- processes()],
    erlang:memory(total).

parse(Line) ->
    {match, Pairs} = re:run(Line, "\"([A-Za-z]+)\":(?:\"([^\"]*)\"|(-?[0-9]+))",
        [global, {capture, all_but_first, list}]),
    maps:from_list([case Pair of
        [Key, Text] -> {list_to_atom(Key), Text};
        [Key, _, Number] -> {list_to_atom(Key), list_to_integer(Number)}
    end || Pair <- Pairs]).

print(Answer) ->
    Members = [io_lib:format("\"~s\":~s", [Key, json(Value)]) || {Key, Value} <- maps:to_list(Answer)],
    io:put_chars(["{", lists:join(",", Members), "}\n"]).

json(Value) when is_integer(Value) -> integer_to_list(Value);
json(Value) when is_float(Value) -> float_to_list(Value, [{decimals, 9}, compact]);
json(Value) -> ["\"", [C || C <- lists:flatten(Value), C >= 32, C =/= $", C =/= $\\], "\""].
