/* A member's redacted bytes on their way into the archive, whose header needs their number first: in
 * a nameless temporary file, re-used from member to member. Private to agent/collect. */
#ifndef TOWLINE_COLLECT_SPOOL_H
#define TOWLINE_COLLECT_SPOOL_H

#include <towline/crypto.h>
#include <towline/err.h>

struct spool {
	int fd;
	uint64_t bytes;
	struct tl_sha256 *hash;
};

/* In TMPDIR, else /tmp, else in memory. */
TL_MUST_CHECK int spool_init(struct spool *spool, struct tl_err *err);
/* Empties it. */
TL_MUST_CHECK int spool_reset(struct spool *spool, struct tl_err *err);
/* A tl_redact_output; `arg` is the spool. */
int spool_write(void *arg, const void *bytes, size_t len, struct tl_err *err);
/* The digest of all bytes since the last reset, as text; once. */
void spool_digest(struct spool *spool, char hex[static TL_SHA256_HEX]);
void spool_clear(struct spool *spool);

#endif
