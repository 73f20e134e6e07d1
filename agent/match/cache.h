/* Compiled databases on disk. Private to agent/match. */
#ifndef TOWLINE_MATCH_CACHE_H
#define TOWLINE_MATCH_CACHE_H

#include <stdint.h>
#include <towline/buf.h>
#include <towline/crypto.h>

#include "match/match.h"

#define CACHE_FILES_MAX 8 /* in one directory; older ones go */

/* Everything that the compiled bytes depend on. TL_ENOMEM. */
TL_MUST_CHECK int cache_key(const struct tl_match_pattern *patterns, size_t count,
			    uint8_t key[static TL_SHA256_LEN]);
/* Appends the bytes that were stored under `key`; TL_ENOENT when there are none that can be trusted. */
TL_MUST_CHECK int cache_load(const char *dir, const uint8_t key[static TL_SHA256_LEN],
			     struct tl_buf *out);
/* As well as it can. */
void cache_store(const char *dir, const uint8_t key[static TL_SHA256_LEN], const void *bytes,
		 size_t len);

#endif
