#include <strings.h>

#include "rescan/rules.h"

#define ENTROPY_MAX_BYTES 256
#define RANDOM_MIN 8

const uint8_t rescan_bytes[256] = {
	['0' ... '9'] = BYTE_DIGIT | BYTE_HEX,
	['a' ... 'f'] = BYTE_LOWER | BYTE_HEX,
	['g' ... 'z'] = BYTE_LOWER,
	['A' ... 'Z'] = BYTE_UPPER,
	['-'] = BYTE_DASH,
	['_'] = BYTE_DASH,
	['+'] = BYTE_BASE64,
	['/'] = BYTE_BASE64,
	['='] = BYTE_BASE64,
	['.'] = BYTE_DOT,
	['!'] = BYTE_SYMBOL,
	['#'] = BYTE_SYMBOL,
	['%'] = BYTE_SYMBOL,
	['^'] = BYTE_SYMBOL,
	['&'] = BYTE_SYMBOL,
	['*'] = BYTE_SYMBOL,
	['?'] = BYTE_SYMBOL,
	['~'] = BYTE_SYMBOL,
	['@'] = BYTE_SYMBOL,
	['$'] = BYTE_SYMBOL,
};

/* Words that people write in the place of a secret. */
static const char *const stand_ins[] = {
	"password",    "passwd", "pass",    "pwd",    "secret",	   "token",  "changeme", "example",
	"redacted",    "hidden", "removed", "masked", "xxx",	   "null",   "none",	 "nil",
	"true",	       "false",	 "yes",	    "no",     "undefined", "unset",  "empty",	 "required",
	"placeholder", "your",	 "my",	    "test",   "dummy",	   "sample", NULL};

size_t rescan_run(const struct rescan_text *text, size_t at, unsigned set, size_t max)
{
	size_t len = 0;

	while (len < max && at + len < text->len &&
	       rescan_is((unsigned char)text->bytes[at + len], set))
		len++;
	return len;
}

bool rescan_has(const struct rescan_text *text, size_t at, const char *word)
{
	for (; *word; word++, at++) {
		unsigned char c = rescan_at(text, at);

		if ((c >= 'A' && c <= 'Z' ? c | 0x20 : c) != (unsigned char)*word)
			return false;
	}
	return true;
}

/* Hundredths of log2, by halving and squaring: no libm for one number. */
static unsigned log2_hundredths(unsigned value, unsigned of)
{
	double ratio = (double)of / value, bits = 0, bit = 1;

	while (ratio >= 2) {
		ratio /= 2;
		bits += 1;
	}
	for (int i = 0; i < 12; i++) {
		ratio *= ratio;
		bit /= 2;
		if (ratio >= 2) {
			ratio /= 2;
			bits += bit;
		}
	}
	return (unsigned)(bits * 100);
}

unsigned rescan_entropy(const char *bytes, size_t len)
{
	unsigned counts[256] = {0}, sum = 0;

	if (len == 0)
		return 0;
	if (len > ENTROPY_MAX_BYTES)
		len = ENTROPY_MAX_BYTES;
	for (size_t i = 0; i < len; i++)
		counts[(unsigned char)bytes[i]]++;
	for (size_t i = 0; i < 256; i++)
		if (counts[i])
			sum += counts[i] * log2_hundredths(counts[i], (unsigned)len);
	return sum / (unsigned)len;
}

bool rescan_is_random(const char *bytes, size_t len)
{
	unsigned kinds = 0, hex = 0;
	size_t classes;

	if (len < RANDOM_MIN)
		return false;
	for (size_t i = 0; i < len; i++) {
		kinds |= rescan_bytes[(unsigned char)bytes[i]];
		hex += rescan_is((unsigned char)bytes[i], BYTE_HEX);
	}
	classes = !!(kinds & BYTE_UPPER) + !!(kinds & BYTE_LOWER) + !!(kinds & BYTE_DIGIT) +
		  !!(kinds & BYTE_SYMBOL);
	if (hex == len)
		return len >= 32 && classes == 2 && rescan_entropy(bytes, len) >= 280;
	return classes >= 3 && rescan_entropy(bytes, len) >= 275;
}

static bool begins_with(const char *bytes, size_t len, const char *word)
{
	size_t i = 0;

	for (; word[i]; i++)
		if (i >= len || (bytes[i] | 0x20) != (word[i] | 0x20))
			return false;
	return true;
}

bool rescan_is_placeholder(const char *bytes, size_t len)
{
	if (len == 0)
		return true;
	switch (bytes[0]) {
	case '[': /* the redactor's own marks */
	case '<':
	case '{':
	case '(':
	case '*':
	case '%':
	case '$': /* a variable, a command; hashes have a rule of their own */
	case '/':
	case '.':
	case '~':
	case '&':
	case '|':
		return true;
	default:
		break;
	}
	for (size_t i = 0; stand_ins[i]; i++)
		if (begins_with(bytes, len, stand_ins[i]))
			return true;
	return false;
}
