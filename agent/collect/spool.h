/* Redacted bytes on their way into the archive, whose headers need each member's size first: a few in
 * memory, the rest in a nameless temporary file. Written at its end, read anywhere. A sealed spool's
 * file holds ciphertext under a key that only this process has. One thread at a time. */
#ifndef TOWLINE_COLLECT_SPOOL_H
#define TOWLINE_COLLECT_SPOOL_H

#include <stdbool.h>
#include <stdint.h>
#include <towline/attr.h>
#include <towline/err.h>

#define SPOOL_MEMORY (32 * 1024) /* what is kept without a file */

struct spool;

/* The file, once there is one, is in TMPDIR, else /tmp, else in memory. */
TL_MUST_CHECK int spool_new(bool sealed, struct spool **ret_spool, struct tl_err *err);
/* Appends; a tl_redact_output: `arg` is the spool. */
int spool_write(void *arg, const void *bytes, size_t len, struct tl_err *err);
uint64_t spool_size(const struct spool *spool);
/* Exactly `len` bytes from `offset` on, all of which were written. */
TL_MUST_CHECK int spool_read(struct spool *spool, uint64_t offset, void *bytes, size_t len,
			     struct tl_err *err);
/* Empties it; the file is kept. */
TL_MUST_CHECK int spool_reset(struct spool *spool, struct tl_err *err);
void spool_free(struct spool *spool);
TL_DEFINE_AUTO_PTR(spool, spool_free);

#endif
