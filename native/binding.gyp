{
  "targets": [
    {
      "target_name": "cairn",
      "sources": [
        "addon.cc",
        "arguments.cc",
        "async_lock.cc",
        "blob.cc",
        "blob_binding.cc",
        "chunk_cache.cc",
        "chunk_cache_binding.cc",
        "chunk_decoding_binding.cc",
        "chunker.cc",
        "chunker_binding.cc",
        "digest.cc",
        "digest_locks.cc",
        "draft.cc",
        "draft_binding.cc",
        "erasure.cc",
        "erasure_binding.cc",
        "errors.cc",
        "files.cc",
        "files_binding.cc",
        "fuse_connection.cc",
        "fuse_mount.cc",
        "fuse_mount_binding.cc",
        "fuse_notify.cc",
        "fuse_receive.cc",
        "fuse_reply.cc",
        "fuse_session.cc",
        "fuse_session_binding.cc",
        "galois.cc",
        "hash_binding.cc",
        "heap_binding.cc",
        "holds.cc",
        "journal_file.cc",
        "journal_file_binding.cc",
        "locks.cc",
        "memory.cc",
        "new_files.cc",
        "new_files_binding.cc",
        "node_attributes.cc",
        "peer.cc",
        "pool.cc",
        "promise_job.cc",
        "source.cc",
        "source_binding.cc"
      ],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": [
        "NAPI_VERSION=9",
        "NAPI_CPP_EXCEPTIONS",
        "NODE_ADDON_API_DISABLE_DEPRECATED",
        # A call that fails while its thread is being terminated cannot throw any more; else that would end the process.
        "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS",
        "_FILE_OFFSET_BITS=64"
      ],
      "cflags": ["-Wall", "-Wextra", "-fvisibility=hidden"],
      "cflags_cc": ["-std=c++20", "-fexceptions", "-frtti"],
      "cflags!": ["-fno-exceptions"],
      "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17"],
      "libraries": ["-l:libcrypto.a", "-lzstd", "-ldeflate", "-lisal"],
      "ldflags": [
        # libcrypto is linked statically and kept private: node exports an OpenSSL of its own.
        "-Wl,--exclude-libs,ALL",
        "-Wl,-Bsymbolic",
        # Pool threads outlive the environment that loaded the addon; dlclose must not unmap their code.
        "-Wl,-z,nodelete"
      ]
    }
  ]
}
