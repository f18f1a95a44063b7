{
  "variables": {
    # Prefix of another RocksDB (include/ and lib/); empty: the system's.
    "rocksdb_dir%": "<!(echo \"${ROCKSDB_DIR:-}\")"
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
        "native/database.cc",
        "native/errors.cc",
        "native/file_statistics.cc",
        "native/filters.cc",
        "native/handles.cc",
        "native/iterator.cc",
        "native/maintenance.cc",
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
          "rocksdb_dir!=''",
          {
            "include_dirs": ["<(rocksdb_dir)/include"],
            "libraries": ["-L<(rocksdb_dir)/lib", "-Wl,-rpath,<(rocksdb_dir)/lib", "-lrocksdb"]
          }
        ]
      ]
    }
  ]
}
