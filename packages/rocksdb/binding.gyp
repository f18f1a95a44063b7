{
  "variables": {
    # Prefix of another RocksDB (include/ and lib/); empty: the system's. A library that is there as an archive only is
    # linked into the addon, and its compression libraries with it.
    "rocksdb_dir%": "<!(echo \"${ROCKSDB_DIR:-}\")",
    "rocksdb_linked%": "<!(test -f \"${ROCKSDB_DIR:-}/lib/librocksdb.a\" && ! test -e \"${ROCKSDB_DIR:-}/lib/librocksdb.so\" && echo archive || echo shared)"
  },
  "targets": [
    {
      "target_name": "rocksdb",
      "sources": [
        "native/addon.cc",
        "native/arguments.cc",
        "native/async.cc",
        "native/batch.cc",
        "native/build_info.cc",
        "native/consecutive.cc",
        "native/counters.cc",
        "native/database.cc",
        "native/entry_tree.cc",
        "native/errors.cc",
        "native/file_reads.cc",
        "native/file_statistics.cc",
        "native/filters.cc",
        "native/flush_reminder.cc",
        "native/handles.cc",
        "native/io_rate.cc",
        "native/iterator.cc",
        "native/maintenance.cc",
        "native/memtable.cc",
        "native/open.cc",
        "native/options.cc",
        "native/reads.cc",
        "native/rewind.cc",
        "native/snapshot.cc",
        "native/wal_tail.cc",
        "native/writes.cc"
      ],
      "cflags!": ["-fno-exceptions"],
      "cflags_cc!": ["-fno-exceptions"],
      "cflags_cc": ["-std=c++17", "-fexceptions", "-fvisibility=hidden", "-Wall", "-Wextra", "-O2"],
      # RocksDB's background threads outlive every database: a worker thread's end must not unmap the library.
      "ldflags": ["-Wl,-z,nodelete"],
      "conditions": [
        ["rocksdb_dir==''", { "libraries": ["-lrocksdb"] }],
        [
          "rocksdb_dir!='' and rocksdb_linked=='shared'",
          {
            "include_dirs": ["<(rocksdb_dir)/include"],
            "libraries": ["-L<(rocksdb_dir)/lib", "-Wl,-rpath,<(rocksdb_dir)/lib", "-lrocksdb"]
          }
        ],
        [
          "rocksdb_dir!='' and rocksdb_linked=='archive'",
          {
            "include_dirs": ["<(rocksdb_dir)/include"],
            # As the archive was compiled: RocksDB's headers assert, too.
            "defines": ["NDEBUG"],
            "ldflags": ["-Wl,--exclude-libs,librocksdb.a", "-Wl,-Bsymbolic", "-Wl,--gc-sections"],
            "libraries": ["<(rocksdb_dir)/lib/librocksdb.a", "-lsnappy", "-llz4", "-lzstd", "-lz", "-lbz2", "-ldl"]
          }
        ]
      ]
    }
  ]
}
