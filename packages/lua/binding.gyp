{
  "targets": [
    {
      "target_name": "lua",
      "sources": [
        "native/addon.cc",
        "native/api.cc",
        "native/bit.cc",
        "native/bytes.cc",
        "native/cjson.cc",
        "native/cjson_decode.cc",
        "native/cjson_encode.cc",
        "native/cmsgpack.cc",
        "native/libraries.cc",
        "native/numbers.cc",
        "native/resp.cc",
        "native/sandbox.cc",
        "native/sha1.cc",
        "native/stack.cc",
        "native/state.cc",
        "native/struct.cc",
        "native/tasks.cc"
      ],
      # Lua's errors jump over frames: no frame on its stack may own anything, and no exception may start there.
      "cflags_cc": ["-std=c++17", "-fno-exceptions", "-fvisibility=hidden", "-Wall", "-Wextra", "-O2"],
      "include_dirs": ["/usr/include/lua5.1"],
      "libraries": ["-llua5.1"]
    }
  ]
}
