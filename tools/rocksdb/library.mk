# A static RocksDB out of its own list of sources (src.mk), with our flags and nothing detected: what RocksDB's Makefile
# finds out about a machine is the same on every Linux with glibc that Holdfast runs on, and a flag that depends on
# what happens to be installed would make two builds of one name differ. Called by build.sh, in the sources' folder:
#
#   make -f library.mk OUT=<directory of objects> FLAGS="..."
.DELETE_ON_ERROR:
.SUFFIXES:
include src.mk

# What the addon does not reach, about an eighth of the work. Something missing here shows when the addon is linked.
unused := \
  db/c.cc db/db_impl/db_impl_debug.cc db/db_impl/db_impl_secondary.cc db/repair.cc port/win/% tools/dump/% \
  table/adaptive/% table/sst_file_dumper.cc table/sst_file_reader.cc test_util/transaction_test_util.cc \
  $(foreach of,agg_merge backup blob_db cache_dump cassandra env_mirror fault_injection leveldb_options memory \
    option_change_migration options persistent_cache simulator_cache ttl,utilities/$(of)%)
objects := $(patsubst %.cc,$(OUT)/%.o,$(filter-out $(unused),$(LIB_SOURCES)))
total := $(words $(objects))

$(OUT)/librocksdb.a: $(objects)
	@rm -f $@
	@ar rcs $@ $^

# Renamed when whole: an interrupted build goes on with what is there.
$(OUT)/%.o: %.cc
	@mkdir -p $(@D)
	@$(CXX) $(FLAGS) -I. -Iinclude -c $< -o $@.new && mv $@.new $@
	@count=$$(find $(OUT) -name '*.o' | wc -l); [ $$((count % 20)) != 0 ] || echo "holdfast rocksdb: $$count of $(total) files are compiled" >&2

# Who built what and when is for RocksDB's own releases; left out, two builds of the same sources are the same.
util/build_version.cc: util/build_version.cc.in
	@sed -e 's/@GIT_MOD@/0/; s/@ROCKSDB_PLUGIN_[A-Z]*@//' $< >$@.new && mv $@.new $@
