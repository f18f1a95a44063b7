{
  "targets": [
    {
      "target_name": "base",
      "sources": ["native/os.cc", "native/streams.cc"],
      "cflags_cc": ["-std=c++17", "-Wall", "-Wextra", "-O2"]
    }
  ]
}
