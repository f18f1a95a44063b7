#ifndef HOLDFAST_STREAMS_H
#define HOLDFAST_STREAMS_H
#define NAPI_VERSION 8
#include <node_api.h>

// Adds the functions of streams.cc to the addon.
bool DefineStreams(napi_env env, napi_value exports);

#endif
