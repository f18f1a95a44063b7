#include "file_reads.h"

#include <fcntl.h>
#include <rocksdb/file_system.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

namespace holdfast {

namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

// A block of data as configured by default: what is asked for that is as large is read as it is.
constexpr size_t kLargeBlock = 16384;
// What is read around a smaller one. While the kernel can keep all files in memory, every piece is read once at most and
// soon wanted whole; later twice as much read would be twice as much that something else is forgotten for.
constexpr size_t kReadUnit = kLargeBlock;
constexpr size_t kReadUnitOfFew = 2 * kLargeBlock;
// Files are few while they have no more than this part of the machine's memory.
constexpr uint64_t kFewPart = 4;
std::atomic<uint64_t> open_bytes{0};

size_t ReadUnit() {
  static const uint64_t few = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) / kFewPart;
  return open_bytes.load(std::memory_order_relaxed) <= few ? kReadUnitOfFew : kReadUnit;
}

struct Waiting {
  bool is_allowed = true;
  Reach reach = Reach::kKernelCache;
  bool was_refused = false;
};
thread_local Waiting waiting;

// To ask what is in memory costs half as much as reading it. So it is asked only while some reads are of what is not:
// after one of those for so many reads.
constexpr int kAsksFor = 32;
thread_local int asks = 0;

IOStatus Refused() {
  waiting.was_refused = true;
  return IOStatus::Busy("it would wait for the disk");
}

class TableFile : public rocksdb::FSRandomAccessFile {
 public:
  // `mapped`: the file, to ask what is in memory, never read itself; nullptr when it could not be mapped.
  TableFile(std::string name, int fd, char* mapped, size_t bytes) : name_(std::move(name)), fd_(fd), mapped_(mapped), bytes_(bytes) {
    open_bytes.fetch_add(bytes, std::memory_order_relaxed);
  }
  ~TableFile() override {
    open_bytes.fetch_sub(bytes_, std::memory_order_relaxed);
    if (mapped_ != nullptr) munmap(mapped_, bytes_);
    close(fd_);
  }

  IOStatus Read(uint64_t offset, size_t length, const IOOptions&, Slice* result, char* scratch, IODebugContext*) const override {
    if (waiting.is_allowed && length >= kLargeBlock) return ReadAll(offset, length, result, scratch);
    if (!waiting.is_allowed && waiting.reach == Reach::kNothing) return Refused();
    if (IsAtHand(offset, length, scratch)) {
      *result = Slice(scratch, length);
      return IOStatus::OK();
    }
    if (waiting.is_allowed || waiting.reach == Reach::kBeginsReading) Begin(offset, length);
    return waiting.is_allowed ? ReadAll(offset, length, result, scratch) : Refused();
  }

  IOStatus Prefetch(uint64_t offset, size_t length, const IOOptions&, IODebugContext*) override {
    if (readahead(fd_, static_cast<off64_t>(offset), length) == 0) return IOStatus::OK();
    return errno == EINVAL ? IOStatus::NotSupported("readahead of " + name_) : Failed("read ahead", offset);
  }

  void Hint(AccessPattern pattern) override {
    static constexpr int kAdvice[] = {POSIX_FADV_NORMAL, POSIX_FADV_RANDOM, POSIX_FADV_SEQUENTIAL, POSIX_FADV_WILLNEED,
                                      POSIX_FADV_DONTNEED};
    posix_fadvise(fd_, 0, 0, kAdvice[pattern]);
  }

  IOStatus InvalidateCache(size_t offset, size_t length) override {
    const int error = posix_fadvise(fd_, static_cast<off_t>(offset), static_cast<off_t>(length), POSIX_FADV_DONTNEED);
    return error == 0 ? IOStatus::OK() : IOStatus::IOError("forget " + name_, strerror(error));
  }

 private:
  // Reads it, if the kernel has it in memory.
  bool IsAtHand(uint64_t offset, size_t length, char* into) const {
    if (asks > 0) {
      asks--;
      if (!IsInMemory(offset, length)) {
        asks = kAsksFor;
        return false;
      }
    }
    if (ReadAtHand(offset, length, into) == length) return true;
    asks = kAsksFor;
    return false;
  }

  // Asking does not read anything, as preadv2 does of what it does not get. True also when nobody knows.
  bool IsInMemory(uint64_t offset, size_t length) const {
    static const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    unsigned char pages[64];
    const uint64_t start = offset / page * page;
    const size_t count = static_cast<size_t>((offset + length - start + page - 1) / page);
    if (mapped_ == nullptr || offset + length > bytes_ || count > sizeof pages) return true;
    if (mincore(mapped_ + start, count * page, pages) != 0) return true;
    return std::all_of(pages, pages + count, [](unsigned char each) { return (each & 1) != 0; });
  }

  IOStatus ReadAll(uint64_t offset, size_t length, Slice* result, char* scratch) const {
    size_t done = 0;
    while (done < length) {
      const ssize_t more = Pread(scratch + done, length - done, offset + done);
      if (more < 0) return Failed("read", offset);
      if (more == 0) break;
      done += static_cast<size_t>(more);
    }
    *result = Slice(scratch, done);
    return IOStatus::OK();
  }

  // What the kernel has in memory, from the beginning. @returns so many bytes.
  size_t ReadAtHand(uint64_t offset, size_t length, char* into) const {
    size_t done = 0;
    while (done < length && tells_.load(std::memory_order_relaxed)) {
      const iovec piece{into + done, length - done};
      const ssize_t more = preadv2(fd_, &piece, 1, static_cast<off64_t>(offset + done), RWF_NOWAIT);
      if (more > 0)
        done += static_cast<size_t>(more);
      else if (more < 0 && errno == EINTR)
        continue;
      else {
        // A file system or kernel that cannot tell: everything is taken to be on the disk.
        if (more < 0 && (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL)) tells_.store(false, std::memory_order_relaxed);
        break;
      }
    }
    return done;
  }

  // Everything from unit to unit in which the wanted bytes are. Whoever waits for it finds it on its way, or here.
  void Begin(uint64_t offset, size_t length) const {
    const uint64_t unit = ReadUnit();
    const uint64_t start = offset / unit * unit;
    const uint64_t end = (offset + length + unit - 1) / unit * unit;
    readahead(fd_, static_cast<off64_t>(start), end - start);
  }

  ssize_t Pread(char* into, size_t length, uint64_t offset) const {
    ssize_t more;
    do more = pread(fd_, into, length, static_cast<off_t>(offset));
    while (more < 0 && errno == EINTR);
    return more;
  }

  IOStatus Failed(const char* what, uint64_t offset) const {
    const std::string reason = strerror(errno);
    return IOStatus::IOError(std::string(what) + " " + name_ + " at " + std::to_string(offset), reason);
  }

  const std::string name_;
  const int fd_;
  char* const mapped_;
  const size_t bytes_;
  mutable std::atomic<bool> tells_{true};
};

class ReadingFileSystem : public rocksdb::FileSystemWrapper {
 public:
  using rocksdb::FileSystemWrapper::FileSystemWrapper;

  const char* Name() const override { return "HoldfastFileSystem"; }

  IOStatus NewRandomAccessFile(const std::string& name, const FileOptions& options,
                               std::unique_ptr<rocksdb::FSRandomAccessFile>* result, IODebugContext* context) override {
    // Opening one reads several pieces of it, and RocksDB goes on without some of them.
    if (!waiting.is_allowed) return Refused();
    if (options.use_direct_reads || options.use_mmap_reads)
      return FileSystemWrapper::NewRandomAccessFile(name, options, result, context);
    int fd;
    do fd = open(name.c_str(), O_RDONLY | O_CLOEXEC);
    while (fd < 0 && errno == EINTR);
    // It has a status for each reason.
    if (fd < 0) return FileSystemWrapper::NewRandomAccessFile(name, options, result, context);
    struct stat about;
    const size_t bytes = fstat(fd, &about) == 0 ? static_cast<size_t>(about.st_size) : 0;
    void* mapped = bytes == 0 ? MAP_FAILED : mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0);
    *result = std::make_unique<TableFile>(name, fd, mapped == MAP_FAILED ? nullptr : static_cast<char*>(mapped), bytes);
    return IOStatus::OK();
  }
};

}  // namespace

NoWaiting::NoWaiting(Reach reach) { waiting = {false, reach, false}; }
NoWaiting::~NoWaiting() { waiting = {}; }
bool NoWaiting::WouldWait() const { return waiting.was_refused; }
void NoWaiting::Again() { waiting.was_refused = false; }

rocksdb::Env* ReadingEnv() {
  static rocksdb::Env* const env =
      rocksdb::NewCompositeEnv(std::make_shared<ReadingFileSystem>(rocksdb::FileSystem::Default())).release();
  return env;
}

}  // namespace holdfast
