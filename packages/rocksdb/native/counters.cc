#include "counters.h"

#include <rocksdb/iostats_context.h>
#include <rocksdb/perf_context.h>
#include <rocksdb/perf_level.h>

#include <map>
#include <string>

#include "arguments.h"
#include "database.h"

namespace holdfast {

namespace {

void Take(uint64_t* counted, std::atomic<uint64_t>* into) {
  if (*counted == 0) return;
  into->fetch_add(*counted, std::memory_order_relaxed);
  *counted = 0;
}

napi_value Text(Call& call, const std::string& text) { return StringValue(call.env, text.data(), text.size()); }

void SetCount(Call& call, napi_value object, const char* name, uint64_t count) {
  Must(napi_set_named_property(call.env, object, name, NumberValue(call.env, static_cast<double>(count))));
}

napi_value NewObject(Call& call) {
  napi_value object;
  Must(napi_create_object(call.env, &object));
  return object;
}

}  // namespace

// One without counters has no names for them either.
bool HasThreadCounters() { return !rocksdb::get_perf_context()->ToString(false).empty(); }

void BlockReads::TakeFromThread() {
  rocksdb::PerfContext* context = rocksdb::get_perf_context();
  Take(&context->block_cache_hit_count, &hits);
  Take(&context->block_cache_index_hit_count, &index_hits);
  Take(&context->block_cache_filter_hit_count, &filter_hits);
  Take(&context->block_read_count, &misses);
  Take(&context->index_block_read_count, &index_misses);
  Take(&context->filter_block_read_count, &filter_misses);
}

// database.mapProperty(family, name)
napi_value MapPropertyOf(Call& call) {
  Database& database = Self(call);
  rocksdb::ColumnFamilyHandle* family = ReadFamily(call, call.argv[0], database);
  const std::string name = ReadString(call, call.argv[1], "name", 256);
  std::map<std::string, std::string> entries;
  if (!database.db->GetMapProperty(family, name, &entries)) return Undefined(call.env);
  napi_value object = NewObject(call);
  for (const auto& [key, value] : entries)
    Must(napi_set_named_property(call.env, object, key.c_str(), Text(call, value)));
  return object;
}

// database.endedWork()
napi_value EndedWorkOf(Call& call) {
  const EndedWork& ended = *Self(call).ended_work;
  napi_value object = NewObject(call);
  SetCount(call, object, "flushes", ended.flushes.load(std::memory_order_relaxed));
  SetCount(call, object, "compactions", ended.compactions.load(std::memory_order_relaxed));
  return object;
}

// blockReads()
napi_value BlockReadsOf(Call& call) {
  BlockReads& reads = call.addon->block_reads;
  reads.TakeFromThread();
  napi_value object = NewObject(call);
  SetCount(call, object, "hits", reads.hits);
  SetCount(call, object, "indexHits", reads.index_hits);
  SetCount(call, object, "filterHits", reads.filter_hits);
  SetCount(call, object, "misses", reads.misses);
  SetCount(call, object, "indexMisses", reads.index_misses);
  SetCount(call, object, "filterMisses", reads.filter_misses);
  return object;
}

// beginProfile()
napi_value BeginProfile(Call& call) {
  call.addon->block_reads.TakeFromThread();
  rocksdb::SetPerfLevel(rocksdb::PerfLevel::kEnableTimeExceptForMutex);
  rocksdb::get_perf_context()->Reset();
  rocksdb::get_iostats_context()->Reset();
  return Undefined(call.env);
}

// endProfile()
napi_value EndProfile(Call& call) {
  rocksdb::SetPerfLevel(rocksdb::PerfLevel::kEnableCount);
  napi_value object = NewObject(call);
  Must(napi_set_named_property(call.env, object, "reads", Text(call, rocksdb::get_perf_context()->ToString(true))));
  Must(napi_set_named_property(call.env, object, "files", Text(call, rocksdb::get_iostats_context()->ToString(true))));
  call.addon->block_reads.TakeFromThread();
  return object;
}

}  // namespace holdfast
