// A session over all families of commands with go-redis: what the library makes of the replies is compared with what is
// right.
//
// Arguments: host, port, protocol (2 or 3). A line for each section that passed; the first difference ends it.
package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

var ctx = context.Background()

// same ends the session when a call failed or its value is another one.
func same[T any](what string) func(found T, err error) func(wanted T) {
	return func(found T, err error) func(wanted T) {
		return func(wanted T) {
			if err != nil {
				fail("%s: %v", what, err)
			}
			if !reflect.DeepEqual(found, wanted) {
				fail("%s: %#v instead of %#v", what, found, wanted)
			}
		}
	}
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}

func isNil(what string, err error) {
	if !errors.Is(err, redis.Nil) {
		fail("%s: %v instead of nil", what, err)
	}
}

func near(what string, found, wanted float64) {
	if math.Abs(found-wanted) > 0.001 {
		fail("%s: %v instead of %v", what, found, wanted)
	}
}

func sorted(values []string, err error) ([]string, error) {
	sort.Strings(values)
	return values, err
}

func basics(r, _ *redis.Client) {
	same[string]("SET")(r.Set(ctx, "s", "välue", 0).Result())("OK")
	same[string]("GET")(r.Get(ctx, "s").Result())("välue")
	isNil("GET", r.Get(ctx, "absent").Err())
	same[[]any]("MGET")(r.MGet(ctx, "s", "absent").Result())([]any{"välue", nil})
	same[int64]("INCRBY")(r.IncrBy(ctx, "n", 41).Result())(41)
	same[float64]("INCRBYFLOAT")(r.IncrByFloat(ctx, "n", 0.5).Result())(41.5)
	if err := r.LPush(ctx, "s", "x").Err(); err == nil || !strings.HasPrefix(err.Error(), "WRONGTYPE ") {
		fail("LPUSH to a string: %v", err)
	}
	same[int64]("HSET")(r.HSet(ctx, "h", "a", "1", "b", "2").Result())(2)
	same[map[string]string]("HGETALL")(r.HGetAll(ctx, "h").Result())(map[string]string{"a": "1", "b": "2"})
	same[[]any]("HMGET")(r.HMGet(ctx, "h", "a", "c").Result())([]any{"1", nil})
}

func listsAndSets(r, other *redis.Client) {
	same[int64]("RPUSH")(r.RPush(ctx, "l", "a", "b", "c").Result())(3)
	same[[]string]("LRANGE")(r.LRange(ctx, "l", 0, -1).Result())([]string{"a", "b", "c"})
	same[[]string]("BLPOP")(r.BLPop(ctx, time.Second, "l2", "l").Result())([]string{"l", "a"})
	isNil("BLPOP", r.BLPop(ctx, time.Second, "l2").Err())
	got := make(chan []string, 1)
	go func() {
		values, err := other.BLPop(ctx, 10*time.Second, "waited").Result()
		if err != nil {
			fail("BLPOP: %v", err)
		}
		got <- values
	}()
	for !strings.Contains(r.Info(ctx, "clients").Val(), "blocked_clients:1\r\n") {
		time.Sleep(5 * time.Millisecond)
	}
	same[int64]("RPUSH")(r.RPush(ctx, "waited", "x").Result())(1)
	same[[]string]("BLPOP that waited")(<-got, nil)([]string{"waited", "x"})
	same[int64]("SADD")(r.SAdd(ctx, "t1", "a", "b").Result())(2)
	same[int64]("SADD")(r.SAdd(ctx, "t2", "b", "c").Result())(2)
	same[[]string]("SMEMBERS")(sorted(r.SMembers(ctx, "t1").Result()))([]string{"a", "b"})
	same[[]string]("SINTER")(r.SInter(ctx, "t1", "t2").Result())([]string{"b"})
	same[bool]("SISMEMBER")(r.SIsMember(ctx, "t1", "a").Result())(true)
	same[[]bool]("SMISMEMBER")(r.SMIsMember(ctx, "t1", "a", "x").Result())([]bool{true, false})
}

func sortedSetsAndGeo(r, _ *redis.Client) {
	members := []redis.Z{{Score: 1, Member: "a"}, {Score: 2.5, Member: "b"}, {Score: math.Inf(1), Member: "c"}}
	same[int64]("ZADD")(r.ZAdd(ctx, "z", members...).Result())(3)
	same[float64]("ZSCORE")(r.ZScore(ctx, "z", "b").Result())(2.5)
	isNil("ZSCORE", r.ZScore(ctx, "z", "absent").Err())
	same[[]redis.Z]("ZRANGE")(r.ZRangeWithScores(ctx, "z", 0, -1).Result())(members)
	same[[]redis.Z]("ZPOPMAX")(r.ZPopMax(ctx, "z", 1).Result())(members[2:])
	popped, err := r.BZPopMin(ctx, time.Second, "z").Result()
	same[*redis.ZWithKey]("BZPOPMIN")(popped, err)(&redis.ZWithKey{Key: "z", Z: members[0]})
	palermo := &redis.GeoLocation{Name: "Palermo", Longitude: 13.361389, Latitude: 38.115556}
	catania := &redis.GeoLocation{Name: "Catania", Longitude: 15.087269, Latitude: 37.502669}
	same[int64]("GEOADD")(r.GeoAdd(ctx, "g", palermo, catania).Result())(2)
	distance, err := r.GeoDist(ctx, "g", "Palermo", "Catania", "km").Result()
	if err != nil {
		fail("GEODIST: %v", err)
	}
	near("GEODIST", distance, 166.2742)
	query := &redis.GeoSearchQuery{Longitude: 15, Latitude: 37, Radius: 200, RadiusUnit: "km", Sort: "ASC"}
	same[[]string]("GEOSEARCH")(r.GeoSearch(ctx, "g", query).Result())([]string{"Catania", "Palermo"})
	near("GEOPOS", r.GeoPos(ctx, "g", "Palermo").Val()[0].Longitude, 13.361389)
}

func bitsAndCounts(r, _ *redis.Client) {
	same[int64]("SETBIT")(r.SetBit(ctx, "b", 7, 1).Result())(0)
	same[int64]("BITCOUNT")(r.BitCount(ctx, "b", nil).Result())(1)
	same[int64]("BITPOS")(r.BitPos(ctx, "b", 1).Result())(7)
	same[[]int64]("BITFIELD")(r.BitField(ctx, "bf", "SET", "u8", 0, 200, "GET", "u4", 0).Result())([]int64{0, 12})
	same[int64]("PFADD")(r.PFAdd(ctx, "p", "a", "b", "c").Result())(1)
	same[int64]("PFCOUNT")(r.PFCount(ctx, "p").Result())(3)
	same[string]("PFMERGE")(r.PFMerge(ctx, "p2", "p").Result())("OK")
}

func streams(r, _ *redis.Client) {
	add := func(id, value string) {
		args := &redis.XAddArgs{Stream: "x", ID: id, Values: []string{"f", value}}
		same[string]("XADD")(r.XAdd(ctx, args).Result())(id)
	}
	add("1-1", "v")
	add("1-2", "w")
	first := redis.XMessage{ID: "1-1", Values: map[string]any{"f": "v"}}
	second := redis.XMessage{ID: "1-2", Values: map[string]any{"f": "w"}}
	same[[]redis.XMessage]("XRANGE")(r.XRange(ctx, "x", "-", "+").Result())([]redis.XMessage{first, second})
	same[string]("XGROUP")(r.XGroupCreate(ctx, "x", "group", "0").Result())("OK")
	group := &redis.XReadGroupArgs{Group: "group", Consumer: "me", Streams: []string{"x", ">"}, Count: 1}
	delivered := []redis.XStream{{Stream: "x", Messages: []redis.XMessage{first}}}
	same[[]redis.XStream]("XREADGROUP")(r.XReadGroup(ctx, group).Result())(delivered)
	pending, err := r.XPending(ctx, "x", "group").Result()
	if err != nil || pending.Count != 1 {
		fail("XPENDING: %v, %v", pending, err)
	}
	same[int64]("XACK")(r.XAck(ctx, "x", "group", "1-1").Result())(1)
	isNil("XREAD", r.XRead(ctx, &redis.XReadArgs{Streams: []string{"x", "$"}, Block: 20 * time.Millisecond}).Err())
	groups, err := r.XInfoGroups(ctx, "x").Result()
	if err != nil || len(groups) != 1 || groups[0].Name != "group" {
		fail("XINFO GROUPS: %v, %v", groups, err)
	}
}

func documentsAndScripts(r, _ *redis.Client) {
	same[any]("JSON.SET")(r.Do(ctx, "JSON.SET", "j", "$", `{"a":{"b":[1,2]}}`).Result())("OK")
	same[any]("JSON.GET")(r.Do(ctx, "JSON.GET", "j", "$.a.b").Result())("[[1,2]]")
	same[any]("JSON.ARRAPPEND")(r.Do(ctx, "JSON.ARRAPPEND", "j", "$.a.b", "3").Result())([]any{int64(3)})
	same[any]("EVAL")(r.Eval(ctx, "return {KEYS[1], ARGV[1], 3, false}", []string{"k"}, "a").Result())(
		[]any{"k", "a", int64(3), nil})
	script := redis.NewScript("redis.call('SET', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[1])")
	same[any]("EVALSHA")(script.Run(ctx, r, []string{"scripted"}, "v").Result())("v")
}

func messages(r, other *redis.Client) {
	pubsub := other.Subscribe(ctx, "channel")
	defer pubsub.Close()
	if _, err := pubsub.Receive(ctx); err != nil {
		fail("SUBSCRIBE: %v", err)
	}
	same[int64]("PUBLISH")(r.Publish(ctx, "channel", "hello").Result())(1)
	message, err := pubsub.ReceiveMessage(ctx)
	if err != nil || message.Channel != "channel" || message.Payload != "hello" {
		fail("message: %v, %v", message, err)
	}
	same[map[string]int64]("PUBSUB")(r.PubSubNumSub(ctx, "channel").Result())(map[string]int64{"channel": 1})
}

func transactions(r, other *redis.Client) {
	var incremented *redis.IntCmd
	var hash *redis.MapStringStringCmd
	_, err := r.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.Set(ctx, "m", 41, 0)
		incremented = pipe.Incr(ctx, "m")
		pipe.HSet(ctx, "mh", "f", "v")
		hash = pipe.HGetAll(ctx, "mh")
		return nil
	})
	if err != nil {
		fail("MULTI: %v", err)
	}
	same[int64]("INCR")(incremented.Result())(42)
	same[map[string]string]("HGETALL")(hash.Result())(map[string]string{"f": "v"})
	err = r.Watch(ctx, func(tx *redis.Tx) error {
		same[string]("SET")(other.Set(ctx, "m", "0", 0).Result())("OK")
		_, err := tx.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
			pipe.Incr(ctx, "m")
			return nil
		})
		return err
	}, "m")
	if !errors.Is(err, redis.TxFailedErr) {
		fail("a watched key changed, and EXEC: %v", err)
	}
}

func scans(r, _ *redis.Client) {
	for i := range 300 {
		same[string]("SET")(r.Set(ctx, "scan:"+strconv.Itoa(i), "v", 0).Result())("OK")
	}
	seen := map[string]bool{}
	for keys := r.Scan(ctx, 0, "scan:*", 50).Iterator(); keys.Next(ctx); {
		seen[keys.Val()] = true
	}
	same[int]("SCAN")(len(seen), nil)(300)
}

func main() {
	if len(os.Args) != 4 {
		fail("usage: families host port protocol")
	}
	protocol, err := strconv.Atoi(os.Args[3])
	if err != nil {
		fail("%v", err)
	}
	options := redis.Options{Addr: os.Args[1] + ":" + os.Args[2], Protocol: protocol}
	client, other := redis.NewClient(&options), redis.NewClient(&options)
	sections := []struct {
		name string
		run  func(r, other *redis.Client)
	}{
		{"basics", basics}, {"lists and sets", listsAndSets}, {"sorted sets and geo", sortedSetsAndGeo},
		{"bits and counts", bitsAndCounts}, {"streams", streams}, {"documents and scripts", documentsAndScripts},
		{"messages", messages}, {"transactions", transactions}, {"scans", scans},
	}
	for _, section := range sections {
		section.run(client, other)
		fmt.Println(section.name)
	}
}
