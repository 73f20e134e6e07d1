/* The names that are looked for (hosts, domains, users, persons, the site's keywords), found in one pass over
 * the words of a text, without case. A name that is cut off at the edge of a column is found by its first
 * eight bytes or more. Private to agent/redact. Built once, read by one thread. */
#ifndef TOWLINE_REDACT_IDENTITY_INDEX_H
#define TOWLINE_REDACT_IDENTITY_INDEX_H

#include "redact/identity_text.h"

#define IDENTITY_NAMES_MAX 20000
#define IDENTITY_NAME_MAX 253 /* bytes; DNS has no longer ones */

enum identity_kind { NAME_HOST, NAME_DOMAIN, NAME_USER, NAME_PERSON, NAME_KEYWORD, NAME_KINDS };

struct identity_name {
	char *text; /* lower case */
	size_t len;
	enum identity_kind kind;
	bool in_context; /* a common or short word: only where a name is expected */
	unsigned next;	 /* of the same key, 0: none */
};

struct identity_index {
	struct identity_name *names; /* from 1 */
	size_t count, capacity;
	unsigned *heads;
	struct tl_strv keep; /* lower case */
	bool has_keywords;
	uint64_t bloom[1024];	      /* of keys */
	uint64_t keyword_pairs[1024]; /* the two first bytes of keywords */
};

TL_MUST_CHECK int identity_index_build(struct identity_index *index,
				       const struct tl_identity_names *names);
void identity_index_clear(struct identity_index *index);

/* The identity that begins with the word text[at, end). */
bool identity_index_word(const struct identity_index *index, const struct identity_text *text,
			 size_t at, size_t end, struct identity_span *ret_span);
/* The keyword at `at`, inside of a word or not. */
bool identity_index_keyword(const struct identity_index *index, const struct identity_text *text,
			    size_t at, struct identity_span *ret_span);
/* The name of this kind that is `text`, or that `text` is the beginning of; NULL when there is none. */
const struct identity_name *identity_index_find(const struct identity_index *index,
						enum identity_kind kind, const char *text,
						size_t len);
bool identity_index_keeps(const struct identity_index *index, const char *text, size_t len);

/* Key of a word: its first seven bytes without case, and how many they are. */
static inline uint64_t identity_key(const char *word, size_t len)
{
	uint64_t key = 0;
	size_t take = len < 7 ? len : 7;

	for (size_t i = 0; i < take; i++)
		key |= (uint64_t)((unsigned char)word[i] | 0x20) << (8 * i);
	return (key | (uint64_t)take << 56) * UINT64_C(0x9e3779b97f4a7c15);
}

static inline bool identity_index_may_have(const struct identity_index *index, uint64_t key)
{
	return index->bloom[key >> 54] >> (key >> 48 & 63) & 1;
}

/* May a keyword begin with these two bytes? */
static inline bool identity_index_pair(const struct identity_index *index, unsigned char first,
				       unsigned char second)
{
	unsigned pair = lower(first) | (unsigned)lower(second) << 8;

	return index->keyword_pairs[pair / 64] >> (pair % 64) & 1;
}

/* Accounts and hosts that say nothing of anybody ("root", "ubuntu", "localhost"): never replaced. */
bool identity_is_generic(const char *name, size_t len);
/* Words that are names as well ("mark", "test"): replaced only where a name is expected. */
bool identity_is_common(const char *name, size_t len);
/* Is a name expected at `at`: behind "/home/", "user=", a mail's or login's '@', the time of a log line? */
bool identity_in_context(const struct identity_text *text, size_t at, size_t end,
			 enum identity_kind kind);
/* Does text[at, …) have the shape of a pseudonym of names? Its length, or 0. */
size_t identity_pseudonym_len(const struct identity_text *text, size_t at);

#endif
