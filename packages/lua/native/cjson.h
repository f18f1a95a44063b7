// The two halves of the `cjson` library.
#pragma once

struct lua_State;

namespace holdfast {

int EncodeJson(lua_State* lua);
int DecodeJson(lua_State* lua);

}  // namespace holdfast
