// go-redis with a ClusterClient: one goroutine for each lane, one client object for all.
//
// The lines are those of ../README.md; the configuration is the last argument.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/redis/go-redis/v9"
)

const finishWithin = time.Second

type laneConfig struct {
	Name     string   `json:"name"`
	Tag      string   `json:"tag"`
	Register string   `json:"register"`
	Reads    []string `json:"reads"`
}

type programConfig struct {
	Mode     string       `json:"mode"`
	Settings string       `json:"settings"`
	Reads    string       `json:"reads"`
	Masters  []string     `json:"masters"`
	PaceMs   float64      `json:"paceMs"`
	Lanes    []laneConfig `json:"lanes"`
}

var (
	printing sync.Mutex
	output   = bufio.NewWriter(os.Stdout)
	ids      atomic.Int64
	over     atomic.Bool
)

const clockMonotonic = 1

// nowNs reads CLOCK_MONOTONIC, which all processes of the machine share; package time keeps it to itself.
func nowNs() int64 {
	var at syscall.Timespec
	_, _, _ = syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&at)), 0)
	return at.Nano()
}

func tell(line map[string]any) {
	text, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	printing.Lock()
	defer printing.Unlock()
	_, _ = output.Write(append(text, '\n'))
	_ = output.Flush()
}

func open(config programConfig) redis.UniversalClient {
	if config.Mode == "single" {
		options := &redis.Options{Addr: config.Masters[0]}
		if config.Settings == "recommended" {
			options.DialTimeout = 500 * time.Millisecond
			options.MaxRetries = 30
			options.MinRetryBackoff = 10 * time.Millisecond
			options.MaxRetryBackoff = 100 * time.Millisecond
		}
		return redis.NewClient(options)
	}
	options := &redis.ClusterOptions{Addrs: config.Masters}
	if config.Settings == "recommended" { // Why these: docs/operating/clients.md.
		options.DialTimeout = 500 * time.Millisecond
		options.MaxRedirects = 30
		options.MinRetryBackoff = 10 * time.Millisecond
		options.MaxRetryBackoff = 100 * time.Millisecond
	}
	if config.Reads == "replicas" {
		options.ReadOnly = true
	}
	return redis.NewClusterClient(options)
}

type lane struct {
	client redis.UniversalClient
	config laneConfig
}

// operate plays one operation and says whether it succeeded; without a value it is a read.
func (l *lane) operate(key string, value *string) bool {
	id := ids.Add(1)
	begin := map[string]any{"begin": id, "lane": l.config.Name, "op": "read", "key": key}
	if value != nil {
		begin["op"] = "write"
		begin["value"] = *value
	}
	begin["atNs"] = nowNs()
	tell(begin)
	end := map[string]any{"end": id}
	ctx := context.Background()
	var err error
	if value != nil {
		err = l.client.Set(ctx, key, *value, 0).Err()
	} else {
		var found string
		found, err = l.client.Get(ctx, key).Result()
		if errors.Is(err, redis.Nil) {
			err = nil
			end["value"] = nil
		} else if err == nil {
			end["value"] = found
		}
	}
	if err != nil {
		end["error"] = err.Error()
	}
	end["atNs"] = nowNs()
	tell(end)
	return err == nil
}

func (l *lane) run(pace time.Duration) {
	fresh := ""
	for n := 0; !over.Load(); n++ {
		value := fmt.Sprintf("%s-%d-r", l.config.Name, n)
		l.operate(l.config.Register, &value)
		if len(l.config.Reads) > 0 {
			l.operate(l.config.Reads[n%len(l.config.Reads)], nil)
		}
		key := fmt.Sprintf("%s%s-%d", l.config.Tag, l.config.Name, n)
		value = fmt.Sprintf("%s-%d-f", l.config.Name, n)
		written := l.operate(key, &value)
		if fresh != "" {
			l.operate(fresh, nil)
		}
		if written {
			fresh = key
		}
		time.Sleep(pace/2 + time.Duration(rand.Float64()*float64(pace)))
	}
}

func main() {
	var config programConfig
	if err := json.Unmarshal([]byte(os.Args[len(os.Args)-1]), &config); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	client := open(config)
	if err := client.Ping(context.Background()).Err(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	tell(map[string]any{"hello": map[string]string{"library": "go-redis", "version": redis.Version()}, "atNs": nowNs()})
	var lanes sync.WaitGroup
	for _, each := range config.Lanes {
		lanes.Add(1)
		go func() {
			defer lanes.Done()
			(&lane{client, each}).run(time.Duration(config.PaceMs * float64(time.Millisecond)))
		}()
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	over.Store(true)
	ended := make(chan struct{})
	go func() { lanes.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(finishWithin):
	}
	printing.Lock() // what is still open prints nothing more
	os.Exit(0)
}
