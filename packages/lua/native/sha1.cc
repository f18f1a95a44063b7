// SHA-1 (FIPS 180-4), by which scripts are named.
#include <string.h>

#include "state.h"

namespace holdfast {

namespace {

uint32_t Rotate(uint32_t value, int bits) { return value << bits | value >> (32 - bits); }

void Block(uint32_t* hash, const unsigned char* bytes) {
  uint32_t words[80];
  for (int i = 0; i < 16; i++) {
    words[i] = static_cast<uint32_t>(bytes[4 * i]) << 24 | static_cast<uint32_t>(bytes[4 * i + 1]) << 16 |
               static_cast<uint32_t>(bytes[4 * i + 2]) << 8 | bytes[4 * i + 3];
  }
  for (int i = 16; i < 80; i++) words[i] = Rotate(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
  uint32_t a = hash[0], b = hash[1], c = hash[2], d = hash[3], e = hash[4];
  for (int i = 0; i < 80; i++) {
    uint32_t mixed, constant;
    if (i < 20) mixed = (b & c) | (~b & d), constant = 0x5a827999;
    else if (i < 40) mixed = b ^ c ^ d, constant = 0x6ed9eba1;
    else if (i < 60) mixed = (b & c) | (b & d) | (c & d), constant = 0x8f1bbcdc;
    else mixed = b ^ c ^ d, constant = 0xca62c1d6;
    const uint32_t next = Rotate(a, 5) + mixed + e + constant + words[i];
    e = d;
    d = c;
    c = Rotate(b, 30);
    b = a;
    a = next;
  }
  hash[0] += a;
  hash[1] += b;
  hash[2] += c;
  hash[3] += d;
  hash[4] += e;
}

}  // namespace

void Sha1Hex(const char* data, size_t length, char* hex) {
  uint32_t hash[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  const unsigned char* bytes = reinterpret_cast<const unsigned char*>(data);
  size_t at = 0;
  for (; length - at >= 64; at += 64) Block(hash, bytes + at);
  unsigned char last[128] = {};
  const size_t rest = length - at;
  memcpy(last, bytes + at, rest);
  last[rest] = 0x80;
  const size_t total = rest < 56 ? 64 : 128;
  const uint64_t bits = static_cast<uint64_t>(length) * 8;
  for (int i = 0; i < 8; i++) last[total - 1 - static_cast<size_t>(i)] = static_cast<unsigned char>(bits >> (8 * i));
  for (size_t block = 0; block < total; block += 64) Block(hash, last + block);
  static const char digits[] = "0123456789abcdef";
  for (int i = 0; i < 40; i++) hex[i] = digits[hash[i / 8] >> (28 - 4 * (i % 8)) & 15];
}

}  // namespace holdfast
