// The bytes of a RocksDB WriteBatch (docs/formats/write-batch.md), walked before RocksDB sees them: with assertions on
// a malformed batch would abort the process, and without them half of it would be applied.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace holdfast {

constexpr size_t kBatchHeaderBytes = 12;

// Says what is wrong with a batch; empty when RocksDB will apply it as it is. `families`: ids from 0 to below it exist.
std::string BatchFault(const char* data, size_t size, uint32_t families);

// Counted records, from the header.
uint32_t BatchCount(const char* data);
// Sequence of the first counted record, from the header.
uint64_t BatchSequence(const char* data);

}  // namespace holdfast
