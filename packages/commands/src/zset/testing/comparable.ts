/** Replies of ours and of a redis-server 7.0 in a form in which they must be equal. */

/** What we say behind Redis' text, since Kvrocks' suite asks for it. */
const kvrocksReason =
  /: (?:the (?:min|max) (?:is illegal|isn't double)|not started as an? \w+|weight is not .*|aggregate param error)(?=\r\n)/;

const bulkNumber = /\$\d+\r\n(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)\r\n/g;
const double = /(?<=\r\n|^),(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)\r\n/g;

/** Of fractions these digits are compared: sines and cosines differ in the last bit from one library to another. */
const fractionDigits = 12;

function numberIn(digits: string): string {
  const value = Number(digits);
  return Number.isInteger(value) ? String(value) : value.toPrecision(fractionDigits);
}

/** Redis prints doubles with 17 digits before 7.2, and as short as they read back since. */
export function comparable(reply: string): string {
  const plain = reply.startsWith('-') ? reply.replace(kvrocksReason, '') : reply;
  return plain
    .replace(bulkNumber, (_, digits: string) => `$ ${numberIn(digits)}\r\n`)
    .replace(double, (_, digits: string) => `, ${numberIn(digits)}\r\n`);
}
