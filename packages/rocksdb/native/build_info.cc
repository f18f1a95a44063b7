// Which RocksDB is loaded, and whether it was built with assertions.
//
// RocksDB does not say. A C++ library built without NDEBUG calls glibc's __assert_fail, so its dynamic symbol table asks
// for it; one built with NDEBUG does not. The table is read from the loaded image, whichever file it came from; a
// RocksDB linked statically into this addon is found the same way, as the addon itself asserts nothing.
#include <elf.h>
#include <link.h>
#include <rocksdb/version.h>

#include <cstring>

#include "arguments.h"
#include "database.h"

namespace holdfast {

namespace {

struct Image {
  uintptr_t address;  // somewhere inside the wanted image
  bool asserts;
};

// Undefined symbols come first in a table with a GNU hash: those below `symoffset` are not hashed.
uint32_t UndefinedCount(const ElfW(Word) * gnu_hash) { return gnu_hash[1]; }

bool AsksFor(const dl_phdr_info& info, const char* symbol) {
  const ElfW(Dyn)* dynamic = nullptr;
  for (int i = 0; i < info.dlpi_phnum; i++)
    if (info.dlpi_phdr[i].p_type == PT_DYNAMIC)
      dynamic = reinterpret_cast<const ElfW(Dyn)*>(info.dlpi_addr + info.dlpi_phdr[i].p_vaddr);
  const ElfW(Sym)* symbols = nullptr;
  const char* names = nullptr;
  const ElfW(Word)* hash = nullptr;
  for (; dynamic != nullptr && dynamic->d_tag != DT_NULL; dynamic++) {
    // glibc has made these addresses absolute; musl leaves them relative.
    uintptr_t at = dynamic->d_un.d_ptr;
    if (at < info.dlpi_addr) at += info.dlpi_addr;
    if (dynamic->d_tag == DT_SYMTAB) symbols = reinterpret_cast<const ElfW(Sym)*>(at);
    if (dynamic->d_tag == DT_STRTAB) names = reinterpret_cast<const char*>(at);
    if (dynamic->d_tag == DT_GNU_HASH) hash = reinterpret_cast<const ElfW(Word)*>(at);
  }
  if (symbols == nullptr || names == nullptr || hash == nullptr) return false;
  for (uint32_t i = 1; i < UndefinedCount(hash); i++)
    if (strcmp(names + symbols[i].st_name, symbol) == 0) return true;
  return false;
}

int Visit(dl_phdr_info* info, size_t, void* data) {
  auto* image = static_cast<Image*>(data);
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    const uintptr_t start = info->dlpi_addr + segment.p_vaddr;
    if (segment.p_type != PT_LOAD || image->address < start || image->address >= start + segment.p_memsz) continue;
    image->asserts = AsksFor(*info, "__assert_fail");
    return 1;
  }
  return 0;
}

}  // namespace

napi_value BuildInfo(Call& call) {
  Image image{reinterpret_cast<uintptr_t>(&rocksdb::GetRocksVersionAsString), false};
  dl_iterate_phdr(Visit, &image);
  const std::string version = rocksdb::GetRocksVersionAsString(true);
  napi_value result, text, asserts;
  Must(napi_create_object(call.env, &result));
  Must(napi_create_string_utf8(call.env, version.data(), version.size(), &text));
  Must(napi_set_named_property(call.env, result, "version", text));
  Must(napi_get_boolean(call.env, image.asserts, &asserts));
  Must(napi_set_named_property(call.env, result, "assertions", asserts));
  napi_value counters;
  Must(napi_get_boolean(call.env, HasThreadCounters(), &counters));
  Must(napi_set_named_property(call.env, result, "threadCounters", counters));
  return result;
}

}  // namespace holdfast
