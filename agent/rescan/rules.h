/* What the second look knows: each rule is asked at one byte of a text and says which kind of secret stands
 * there. Private to agent/rescan. Any thread. */
#ifndef TOWLINE_RESCAN_RULES_H
#define TOWLINE_RESCAN_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct rescan_text {
	const char *bytes;
	size_t len;
};

/* Returns the kind (static storage) and where the secret ends, or NULL. */
typedef const char *rescan_rule(const struct rescan_text *text, size_t at, size_t *ret_end);

rescan_rule rescan_token;      /* at the first byte of a word: tokens with their vendor's mark */
rescan_rule rescan_bearer;     /* at the first byte of a word: "Bearer …", "Basic …" */
rescan_rule rescan_assignment; /* at '=' or ':' behind a name that means a secret */
rescan_rule rescan_url;	       /* at '@' behind "scheme://user:password" */
rescan_rule rescan_hash;       /* at '$' of a password's hash */
/* At the dashes of a private key's first line; the end is behind the line's dashes, and the caller looks
 * for key material there. */
rescan_rule rescan_pem;
/* Is there key material in text[at, …), which is at most a few lines? */
bool rescan_has_key_material(const struct rescan_text *text, size_t at, size_t *ret_end);

#define RESCAN_STARTS 4096 /* bytes: a bit for each way to begin */
/* Where three bytes have their bit: others may share it. */
static inline unsigned rescan_start(unsigned char first, unsigned char second, unsigned char third)
{
	return ((first * 37U + second) * 37U + third) % (8 * RESCAN_STARTS);
}
/* Sets the bits of what tokens begin with. */
void rescan_token_starts(uint8_t ret_starts[static RESCAN_STARTS]);

enum {
	BYTE_UPPER = 1,
	BYTE_LOWER = 2,
	BYTE_DIGIT = 4,
	BYTE_DASH = 8,	  /* - _ */
	BYTE_BASE64 = 16, /* + / = */
	BYTE_DOT = 32,
	BYTE_HEX = 64, /* 0-9 a-f */
	BYTE_SYMBOL = 128,
	BYTE_ALNUM = BYTE_UPPER | BYTE_LOWER | BYTE_DIGIT
};
extern const uint8_t rescan_bytes[256];

static inline unsigned char rescan_at(const struct rescan_text *text, size_t at)
{
	return at < text->len ? (unsigned char)text->bytes[at] : 0;
}

static inline bool rescan_is(unsigned char c, unsigned set)
{
	return (rescan_bytes[c] & set) != 0;
}

static inline bool rescan_is_one_of(unsigned char c, const char *list)
{
	return c != 0 && strchr(list, c) != NULL;
}

/* Bytes of `set` at `at`, at most `max`. */
size_t rescan_run(const struct rescan_text *text, size_t at, unsigned set, size_t max);
/* Is `word` (lower case) there, in any case? */
bool rescan_has(const struct rescan_text *text, size_t at, const char *word);
/* Shannon's entropy of the bytes, in hundredths of a bit each. */
unsigned rescan_entropy(const char *bytes, size_t len);
/* Could it have been drawn at random: kinds of characters mixed, hardly repeated? */
bool rescan_is_random(const char *bytes, size_t len);
/* Does it only stand for a value: a mark of the redactor's, a variable, a word such as "password"? */
bool rescan_is_placeholder(const char *bytes, size_t len);

#endif
