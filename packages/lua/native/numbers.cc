// Doubles as Redis 7.2 prints them: whole numbers plainly, others by the shortest digits that read back, with an exponent
// only when the plain form would be long.
#include <math.h>
#include <string.h>

#include <charconv>

#include "state.h"

namespace holdfast {

namespace {

size_t Put(char* text, const char* word) {
  const size_t length = strlen(word);
  memcpy(text, word, length);
  return length;
}

// Digits and the power of ten behind them, from d.ddde+XX.
struct Digits {
  char digits[24];
  int count;
  int power;
};

Digits Shortest(double value) {
  char text[32];
  const std::to_chars_result end = std::to_chars(text, text + sizeof(text), value, std::chars_format::scientific);
  Digits result = {{}, 0, 0};
  const char* at = text;
  for (; at < end.ptr && *at != 'e'; at++) {
    if (*at != '.') result.digits[result.count++] = *at;
  }
  int exponent = 0;
  bool negative = false;
  for (at++; at < end.ptr; at++) {
    if (*at == '-') negative = true;
    else if (*at != '+') exponent = exponent * 10 + (*at - '0');
  }
  result.power = (negative ? -exponent : exponent) - (result.count - 1);
  return result;
}

}  // namespace

size_t FormatDouble(double value, char* text) {
  if (isnan(value)) return Put(text, "nan");
  if (isinf(value)) return Put(text, value < 0 ? "-inf" : "inf");
  if (value == 0) return Put(text, signbit(value) ? "-0" : "0");
  if (fabs(value) < 9007199254740992.0 && value == floor(value)) {
    const std::to_chars_result end = std::to_chars(text, text + 40, static_cast<long long>(value));
    return static_cast<size_t>(end.ptr - text);
  }
  size_t length = 0;
  if (value < 0) text[length++] = '-';
  const Digits d = Shortest(fabs(value));
  const int exponent = d.power + d.count - 1;
  if (d.power >= 0 && exponent < d.count + 7) {
    memcpy(text + length, d.digits, static_cast<size_t>(d.count));
    memset(text + length + d.count, '0', static_cast<size_t>(d.power));
    return length + static_cast<size_t>(d.count + d.power);
  }
  if (d.power < 0 && (d.power > -7 || exponent > -4)) {
    const int whole = d.count + d.power;
    if (whole > 0) {
      memcpy(text + length, d.digits, static_cast<size_t>(whole));
      text[length + static_cast<size_t>(whole)] = '.';
      memcpy(text + length + whole + 1, d.digits + whole, static_cast<size_t>(-d.power));
      return length + static_cast<size_t>(d.count) + 1;
    }
    text[length++] = '0';
    text[length++] = '.';
    memset(text + length, '0', static_cast<size_t>(-whole));
    memcpy(text + length - whole, d.digits, static_cast<size_t>(d.count));
    return length + static_cast<size_t>(d.count - whole);
  }
  text[length++] = d.digits[0];
  if (d.count > 1) {
    text[length++] = '.';
    memcpy(text + length, d.digits + 1, static_cast<size_t>(d.count - 1));
    length += static_cast<size_t>(d.count - 1);
  }
  text[length++] = 'e';
  text[length++] = exponent < 0 ? '-' : '+';
  const std::to_chars_result end = std::to_chars(text + length, text + 40, exponent < 0 ? -exponent : exponent);
  return static_cast<size_t>(end.ptr - text);
}

}  // namespace holdfast
