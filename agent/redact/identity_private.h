/* What the parts of struct tl_identities share. Private to agent/redact. */
#ifndef TOWLINE_REDACT_IDENTITY_PRIVATE_H
#define TOWLINE_REDACT_IDENTITY_PRIVATE_H

#include "redact/identity_address.h"
#include "redact/identity_index.h"
#include "redact/identity_text.h"

#define CACHE_SLOTS 2048
#define CACHE_TEXT_MAX 64
#define CACHE_PSEUDONYM_MAX 112
#define PENDING_MAX (256 * 1024) /* bytes of the map in memory */

struct identity_spans {
	struct identity_span *items;
	size_t count, capacity;
};

struct cache_slot {
	uint8_t class, text_len, pseudonym_len;
	char text[CACHE_TEXT_MAX], pseudonym[CACHE_PSEUDONYM_MAX];
};

struct tl_identities {
	struct identity_prf prf;
	struct identity_index index;
	struct identity_spans spans; /* of the last find */
	struct cache_slot *cache;
	struct tl_buf pending; /* lines that the map lacks */
	int map_fd;	       /* -1: none is kept */
};

/* Finds all, in order and disjoint, into identities->spans. */
TL_MUST_CHECK int identity_scan(struct tl_identities *identities, const char *text, size_t len);

/* A domain's mail address around the '@' at `at`. */
bool identity_mail_at_sign(const struct identity_index *index, const struct identity_text *text,
			   size_t at, struct identity_span *ret_span);

/* Append the pseudonym of a host or domain, user or person, mail address, keyword. */
void identity_put_host(struct tl_identities *identities, const char *text, size_t len,
		       struct tl_buf *out);
void identity_put_user(struct tl_identities *identities, const char *text, size_t len,
		       struct tl_buf *out);
void identity_put_mail(struct tl_identities *identities, const char *text, size_t len,
		       struct tl_buf *out);
void identity_put_keyword(struct tl_identities *identities, const char *text, size_t len,
			  struct tl_buf *out);
/* The same of addresses. What cannot be read becomes "[redacted:<class>]". */
void identity_put_address(struct tl_identities *identities, enum tl_identity_class class,
			  const char *text, size_t len, struct tl_buf *out);

/* Notes for the map which original a pseudonym stands for. */
void identity_remember(struct tl_identities *identities, enum tl_identity_class class,
		       const char *pseudonym, const char *original);

#endif
